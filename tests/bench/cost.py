"""What a million creates cost, from what was measured and from AWS's published prices (`prices.json`)."""

import json
import math
from pathlib import Path
from typing import Any

PRICES: dict[str, Any] = json.loads(Path(__file__).with_name("prices.json").read_text("utf-8"))
MEMORY_SIZES = (128, 256, 512, 1024, 1769)

FULL_PROCESSOR_MB = 1769
"""Memory at which a function has one whole processor (AWS, "Configure Lambda function memory")."""

# Assumptions, printed with the result.
ROUND_TRIP_MS = 4
"""Waiting for DynamoDB, for each of two calls, within a region."""
COLD_SHARE = 0.01
"""Of the requests, those that start an environment. Its init is billed, and is not slowed by a small memory."""
WRITE_UNITS = 1
"""Of an agent of up to 1 KB."""
READ_UNITS = 1
"""Of one consistent read of an API key."""
LOGGED_BYTES = 1400
"""The log line, the gateway's, Lambda's own three, and the 26 bytes that CloudWatch adds to each."""
LONGEST_WARM_MS = 28
"""What a warm create may take; the cheapest size that keeps it is the template's default.

The same size comes out on a good day of a shared machine (3 ms of processor for a create) and on a bad one (5 ms).
"""


def warm_ms(figures: dict[str, float], memory: int) -> float:
    """Estimate a warm create: the measured processor time, stretched by the memory's share, and the waiting."""
    return figures["warm_cpu_ms"] * max(1.0, FULL_PROCESSOR_MB / memory) + 2 * ROUND_TRIP_MS


def shares(figures: dict[str, float], memory: int, processor: str) -> dict[str, float]:
    """Return dollars for a million creates, without a rate limit, by service."""
    started = COLD_SHARE * (figures["init_ms"] + figures["first_ms"] * max(1.0, FULL_PROCESSOR_MB / memory))
    billed = math.ceil(warm_ms(figures, memory)) + started
    writes = WRITE_UNITS * PRICES["dynamodb_write_unit_per_million"]
    return {
        "API Gateway": PRICES["http_api_per_million"],
        "Lambda requests": PRICES["lambda_request_per_million"],
        "Lambda compute": billed * 1000 * memory / 1024 * PRICES["lambda_gb_second"][processor],
        "DynamoDB": writes + READ_UNITS * PRICES["dynamodb_read_unit_per_million"],
        "CloudWatch Logs": LOGGED_BYTES * 1e6 / 1e9 * PRICES["cloudwatch_logs_per_gb"],
    }


def recommended(figures: dict[str, float], processor: str = "arm64") -> int:
    """Return the cheapest memory size, in MB, at which a warm create is quick enough."""
    quick = [memory for memory in MEMORY_SIZES if warm_ms(figures, memory) <= LONGEST_WARM_MS]
    return min(quick, key=lambda memory: sum(shares(figures, memory, processor).values()))


def table(figures: dict[str, float], processor: str = "arm64") -> str:
    """Write it all as text."""
    rows = {memory: shares(figures, memory, processor) for memory in MEMORY_SIZES}
    names = list(rows[128])
    lines = [
        f"Dollars per million creates, {processor}, {PRICES['region']}, prices of {PRICES['date']}",
        f"{'MB':>5} {'warm ms':>8}" + "".join(f"{name:>17}" for name in names) + f"{'total':>8}",
    ]
    for memory, row in rows.items():
        cells = "".join(f"{dollars:10.3f} {dollars / sum(row.values()):5.0%}" for dollars in row.values())
        lines.append(f"{memory:>5} {warm_ms(figures, memory):>8.1f}{cells}{sum(row.values()):8.3f}")
    cheapest = min(rows, key=lambda memory: sum(rows[memory].values()))
    quick = f"at which a warm create takes at most {LONGEST_WARM_MS} ms"
    assumed = [
        f"Assumed: {ROUND_TRIP_MS} ms for each call to DynamoDB, {COLD_SHARE:.0%} cold starts with their init billed,",
        f"items of up to 1 KB, {LOGGED_BYTES} bytes of logs a request, this machine's processor as Lambda's.",
        f"A rate limit adds one write: {PRICES['dynamodb_write_unit_per_million']:.3f}.",
    ]
    best = f"Cheapest: {cheapest} MB. Cheapest {quick}: {recommended(figures, processor)} MB, the template's default."
    return "\n".join([*lines, "", best, " ".join(assumed)])
