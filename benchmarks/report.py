"""The figures of a run as Markdown, as data and as pictures."""

from __future__ import annotations

import dataclasses
import json
import platform
from collections.abc import Mapping
from pathlib import Path

from benchmarks.peers.field import CONTESTANTS
from benchmarks.peers.jupyter import QUICK_ACK
from benchmarks.workload import Result

RESULTS = Path(__file__).with_name("results")
LEGEND = f"""\
One run on {platform.system()}, Python {platform.python_version()}; milliseconds, p50 (p95); ratios are \
to this project. {QUICK_ACK}: the same server with a client whose TCP acknowledges at once; without it \
these servers' answers wait 40 ms for Linux's delayed acknowledgement."""


def write(results: Mapping[str, Result]) -> None:
    """Write all of it into ``benchmarks/results``."""
    # Not before: the benchmarks' own process would map what the kernels' memory is measured with.
    from benchmarks import pictures

    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "main.md").write_text(markdown(results))
    data = {name: dataclasses.asdict(result) for name, result in results.items()}  # type: ignore[call-overload]
    (RESULTS / "main.json").write_text(json.dumps(data, indent=2) + "\n")
    pictures.draw(results, RESULTS)


def markdown(results: Mapping[str, Result]) -> str:
    """One table side by side, and the figures of each workload below it."""
    lines = [LEGEND, "", *_side_by_side(results)]
    for result in results.values():
        lines += [f"## {result.title}", "", *result.lines(), ""]
    return "\n".join(lines)


def _side_by_side(results: Mapping[str, Result]) -> list[str]:
    summaries = {result.title: result.summary() for result in results.values()}
    rows = [
        f"| {title} | " + " | ".join(summary[name] for name in CONTESTANTS) + " |"
        for title, summary in summaries.items()
        if summary
    ]
    head = ["| | " + " | ".join(CONTESTANTS) + " |", "|---" * (1 + len(CONTESTANTS)) + "|"]
    return [*head, *rows, ""] if rows else []
