"""The result as a table, as the README's text, and as a chart."""

import re
from typing import Any
from xml.sax.saxutils import escape

from tests.bench.packages import BLUEPRINT, BLUEPRINT_SAM, FASTAPI, FASTAPI_SAM, FLOOR, OURS

Results = dict[str, dict[str, float]]

COLUMNS = (
    ("cold start, million instructions", "instructions_cold_m"),
    ("warm create, million instructions", "instructions_warm_m"),
    ("cold start to first 201, ms", "cold_ms"),
    ("of it init, ms", "init_ms"),
    ("warm p50, ms", "warm_ms"),
    ("p99, ms", "warm_p99_ms"),
    ("processor per create, ms", "warm_cpu_ms"),
    ("memory, MB", "memory_mb"),
    ("package, MB", "package_mb"),
)

TARGETS = (
    ("cold start, instructions", "instructions_cold_m", FASTAPI, 0.56),
    ("cold start, instructions", "instructions_cold_m", FASTAPI_SAM, 0.19),
    ("warm create, instructions", "instructions_warm_m", FASTAPI, 0.78),
    ("warm create, instructions", "instructions_warm_m", BLUEPRINT, 0.50),
)
"""The most that this project may take, as a share of a peer."""

COMPARED = tuple(dict.fromkeys([OURS, *(peer for _, _, peer, _ in TARGETS)]))
"""This project, and the peers that it is compared with."""


def ratios(results: Results) -> list[tuple[str, str, float, float]]:
    """Return figure, peer, ratio and the most that it may be."""
    ours = results[OURS.name]
    return [(what, peer.name, ours[key] / results[peer.name][key], most) for what, key, peer, most in TARGETS]


def markdown(results: Results) -> str:
    """Write the table that the README has."""
    order = [variant.name for variant in (OURS, FASTAPI, FASTAPI_SAM, BLUEPRINT, BLUEPRINT_SAM, FLOOR)]
    names = [name for name in order if name in results]
    lines = ["| | " + " | ".join(names) + " |", "| --- |" + " ---: |" * len(names)]
    for title, key in COLUMNS:
        cells = [_number(results[name].get(key)) for name in names]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def readme(text: str, data: dict[str, Any]) -> str:
    """Return the README with these figures between its marks."""
    results: Results = data["results"]
    versions = data["versions"]
    lines = [
        f"Measured on {data['date']}, Python {data['python']}, {data['machine']}: medians of {data['rounds']} cold",
        f"starts and {data['requests']} requests; botocore {versions['botocore']}, pydantic {versions['pydantic']}, "
        + ", ".join(name.replace("==", " ") for name in (*versions["tools"], *versions["peers"]))
        + ".",
    ]
    kept = [f"- {what}, against {peer}: {ratio:.3f}" for what, peer, ratio, _ in ratios(results)]
    content = "\n".join([*lines, "", markdown(results), "", *kept])
    mark = "<!-- {} -->".format
    pattern = f"{mark('bench')}.*?{mark('/bench')}"
    return re.sub(pattern, lambda _: f"{mark('bench')}\n{content}\n{mark('/bench')}", text, flags=re.DOTALL)


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def chart(data: dict[str, Any]) -> str:
    """Draw instructions of a cold start and of a warm create, as SVG that reads on light and on dark."""
    results: Results = data["results"]
    parts = [
        *_bars("Cold start: million instructions until the first 201", "instructions_cold_m", results, 30),
        *_bars("Warm create: million instructions", "instructions_warm_m", results, 270),
    ]
    style = "text{font:13px sans-serif;fill:#6e7681} .title{font-weight:bold} .ours{fill:#2da44e} .peer{fill:#8c959f}"
    head = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 470" role="img">'
    title = "<title>Instructions of this project and of its peers, for a cold start and a warm create</title>"
    return "\n".join([head, title, f"<style>{style}</style>", *parts, "</svg>", ""])


def _bars(title: str, key: str, results: Results, top: int) -> list[str]:
    shown = {name: figures[key] for name, figures in results.items() if key in figures}
    widest = max(shown.values())
    parts = [f'<text class="title" x="10" y="{top - 10}">{escape(title)}</text>']
    for place, (name, value) in enumerate(sorted(shown.items(), key=lambda bar: bar[1])):
        y, width = top + place * 34, round(max(2.0, 380 * value / widest), 1)
        kind = "ours" if name == OURS.name else "peer"
        parts.append(f'<text x="290" y="{y + 18}" text-anchor="end">{escape(name)}</text>')
        parts.append(f'<rect class="{kind}" x="300" y="{y + 3}" width="{width}" height="22" rx="3"/>')
        parts.append(f'<text x="{306 + width}" y="{y + 18}">{_number(value)}</text>')
    return parts
