"""The figures as a table, as data and as a picture."""

from __future__ import annotations

import dataclasses
import json
import platform
from pathlib import Path
from typing import Any

import matplotlib as mpl

from benchmarks.at_once import Throughput
from benchmarks.flood import FloodFigures
from benchmarks.measure import Figures
from benchmarks.peers import original, ours, raw_client

mpl.use("Agg")
from matplotlib import pyplot as plt

RESULTS = Path(__file__).with_name("results")
COLOURS = {ours.NAME: "#2a6f97", raw_client.NAME: "#9aa5b1", original.NAME: "#d98e04"}


@dataclasses.dataclass(frozen=True, slots=True)
class Measured:
    """Everything that one run measured."""

    warm: dict[str, Figures]
    first_answer: dict[str, Figures]
    at_once: dict[str, Throughput]
    flood: FloodFigures


def write(measured: Measured) -> str:
    """Write table, data and picture into ``benchmarks/results``; returns the table."""
    RESULTS.mkdir(exist_ok=True)
    text = table(measured)
    (RESULTS / "main.md").write_text(text)
    data = dataclasses.asdict(measured)
    (RESULTS / "main.json").write_text(json.dumps(data, indent=2) + "\n")
    _draw(measured)
    return text


def table(measured: Measured) -> str:
    """The figures of one run as Markdown."""
    lines = [
        f"One run on {platform.system()}, Python {platform.python_version()}; "
        "milliseconds; ratios to this project.",
        "",
        "| | | p50 | p95 | ratio |",
        "|---|---|---|---|---|",
        *_rows("warm `1+1`", measured.warm),
        *_rows("new session to its first answer", measured.first_answer),
        *_throughput_rows(measured.at_once),
        "",
        *_flood_lines(measured.flood),
    ]
    return "\n".join(lines) + "\n"


def _rows(title: str, figures: dict[str, Figures]) -> list[str]:
    base = figures[ours.NAME].p50
    return [
        f"| {title} | {name} | {one.p50:.1f} | {one.p95:.1f} | {one.p50 / base:.2f} |"
        for name, one in figures.items()
    ]


def _throughput_rows(measured: dict[str, Throughput]) -> list[str]:
    base = measured[ours.NAME].per_second
    return [
        f"| eight sessions at once: {one.per_second:.0f} calls/s | {name} | {one.figures.p50:.1f} "
        f"| {one.figures.p95:.1f} | {one.per_second / base:.2f} |"
        for name, one in measured.items()
    ]


def _flood_lines(flood: FloodFigures) -> list[str]:
    ratio = flood.flooded.p95 / flood.quiet.p95
    return [
        f"A flood of {flood.bytes_a_second / 1e6:.1f} MB a second in one session: another's `1+1` "
        f"p50 {flood.quiet.p50:.1f} -> {flood.flooded.p50:.1f} ms, "
        f"p95 {flood.quiet.p95:.1f} -> {flood.flooded.p95:.1f} ms ({ratio:.2f} times); "
        f"the server's memory {flood.memory_before:.0f} -> at most {flood.memory_most:.0f} MiB.",
    ]


def _draw(measured: Measured) -> None:
    panels: list[tuple[str, dict[str, float]]] = [
        ("warm 1+1, p50 ms", {n: f.p50 for n, f in measured.warm.items()}),
        (
            "new session to first answer, p50 ms",
            {n: f.p50 for n, f in measured.first_answer.items()},
        ),
        ("eight sessions at once, calls/s", {n: t.per_second for n, t in measured.at_once.items()}),
    ]
    figure, axes = plt.subplots(1, len(panels), figsize=(13, 3.2), layout="constrained")
    for axis, (title, values) in zip(axes, panels, strict=True):
        _draw_bars(axis, title, values)
    figure.savefig(RESULTS / "main.png", dpi=120)
    plt.close(figure)


def _draw_bars(axis: Any, title: str, values: dict[str, float]) -> None:
    names = list(values)[::-1]
    bars = axis.barh(names, [values[n] for n in names], color=[COLOURS[n] for n in names])
    axis.bar_label(bars, fmt="%.1f", padding=3)
    axis.set_title(title, fontsize=10)
    axis.spines[["top", "right"]].set_visible(False)
    axis.margins(x=0.18)
