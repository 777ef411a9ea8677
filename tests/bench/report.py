"""The result as a table, as the README's text, and as a chart."""

import re
from typing import Any
from xml.sax.saxutils import escape

from tests.bench.packages import BLUEPRINT, FASTAPI, FASTAPI_SAM, OURS, READ, VARIANTS

Results = dict[str, dict[str, float]]

COLUMNS = (
    ("cold start, million instructions", "instructions_cold_m"),
    ("warm request, million instructions", "instructions_warm_m"),
    ("cold start to first response, ms", "cold_ms"),
    ("warm request, median, ms", "warm_ms"),
    ("processor per warm request, ms", "warm_cpu_ms"),
    ("memory, MB", "memory_mb"),
    ("package, MB", "package_mb"),
)

TARGETS = (
    ("cold start", "instructions_cold_m", OURS, FASTAPI, 0.42),
    ("cold start", "instructions_cold_m", OURS, FASTAPI_SAM, 0.13),
    ("warm create", "instructions_warm_m", OURS, FASTAPI, 0.61),
    ("warm create", "instructions_warm_m", OURS, BLUEPRINT, 0.42),
    ("warm read", "instructions_warm_m", READ, OURS, 1),
)
"""The most instructions that one program may take, as a share of another's."""

COMPARED = tuple(dict.fromkeys(variant for _, _, *pair, _ in TARGETS for variant in pair))
"""The programs in `TARGETS`."""


def ratios(results: Results) -> list[tuple[str, str, float, float]]:
    """Return figure, the other program's name, ratio and the most that it may be."""
    return [
        (what, other.name, results[one.name][key] / results[other.name][key], most)
        for what, key, one, other, most in TARGETS
    ]


def markdown(results: Results) -> str:
    """Write the table that the README has."""
    names = [variant.name for variant in VARIANTS if variant.name in results]
    lines = ["| | " + " | ".join(names) + " |", "| --- |" + " ---: |" * len(names)]
    for title, key in COLUMNS:
        cells = [_number(results[name].get(key)) for name in names]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def readme(text: str, data: dict[str, Any]) -> str:
    """Return the README with these figures between its marks."""
    results: Results = data["results"]
    versions = ", ".join(version.replace("==", " ") for version in data["versions"])
    shares = ", ".join(f"{what} {ratio:.3f} of {other}" for what, other, ratio, _ in ratios(results))
    lines = [
        f"Measured on {data['date']}, Python {data['python']}, {data['machine']}: medians of {data['rounds']}",
        f"cold starts and {data['requests']} requests. {versions}.",
        "",
        markdown(results),
        "",
        f"In instructions: {shares}.",
    ]
    content = "\n".join(lines)
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
        *_bars("Cold start: million instructions until the first response", "instructions_cold_m", results, 30),
        *_bars("Warm request: million instructions", "instructions_warm_m", results, 310),
    ]
    style = "text{font:13px sans-serif;fill:#6e7681} .title{font-weight:bold} .ours{fill:#2da44e} .peer{fill:#8c959f}"
    head = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 520" role="img">'
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
