"""What a workload is asked, and what it gives back for the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

from benchmarks.measure import Figures
from benchmarks.peers import ours


@dataclass(frozen=True, slots=True)
class Options:
    """What can be said on the command line; what is not said is the workload's own to choose."""

    rounds: int | None = None
    seconds: float | None = None
    many: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """A picture of bars: values by the names of contestants."""

    title: str
    values: Mapping[str, float]


class Result(Protocol):
    """The figures of one workload: a dataclass, so that it can be written as data."""

    #: What it is, as a heading.
    title: ClassVar[str]

    def summary(self) -> Mapping[str, str]:
        """Each contestant's main figure, in a few characters; empty if ours runs alone."""

    def lines(self) -> list[str]:
        """All the figures, as Markdown."""

    def panel(self) -> Panel | None:
        """The main figures as a picture, where there is something to compare."""


def latency_lines(
    figures: Mapping[str, Figures], notes: Mapping[str, str] | None = None
) -> list[str]:
    """Markdown of times: ratios are to this project."""
    notes = notes or {}
    base = figures[ours.NAME].p50
    lines = ["| | p50 ms | p95 ms | ratio | |", "|---|--:|--:|--:|---|"]
    for name, one in figures.items():
        ratio, note = one.p50 / base, notes.get(name, "") + failures(one)
        lines.append(f"| {name} | {one.p50:.1f} | {one.p95:.1f} | {ratio:.2f} | {note} |")
    return lines


def medians(figures: Mapping[str, Figures]) -> dict[str, float]:
    """The p50 of each, in milliseconds."""
    return {name: one.p50 for name, one in figures.items()}


def latency_summary(figures: Mapping[str, Figures]) -> dict[str, str]:
    """The p50 and the p95 of each, in milliseconds."""
    return {name: latency(one) for name, one in figures.items()}


def latency(figures: Figures) -> str:
    """The p50 and the p95, in milliseconds."""
    return f"{figures.p50:.1f} ({figures.p95:.1f}){failures(figures)}"


def failures(figures: Figures) -> str:
    """How many calls failed, to be put behind the rest; nothing if none did."""
    return f", {figures.failed} failed" if figures.failed else ""
