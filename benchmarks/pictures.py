"""The figures of a run as pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

from benchmarks.peers import jupyter_server as jupyter
from benchmarks.peers import kernel_gateway, original, ours
from benchmarks.sessions import Sessions, Step
from benchmarks.workload import Panel, Result

mpl.use("Agg")
from matplotlib import pyplot as plt

COLOURS = {
    ours.NAME: "#2a6f97",
    original.NAME: "#d98e04",
    kernel_gateway.NAME: "#6a994e",
    jupyter.NAME: "#a44a3f",
}
#: What nobody can be faster than.
FLOOR_COLOUR = "#9aa5b1"
#: For another case of the same contestant.
PALE = 0.55


def draw(results: Mapping[str, Result], folder: Path) -> None:
    """``main.png`` with all contestants, and ``sessions.png`` with ours alone."""
    panels = [panel for result in results.values() if (panel := result.panel())]
    _save(_bars(panels), folder / "main.png")
    for result in results.values():
        if isinstance(result, Sessions):
            _save(_steps(result), folder / "sessions.png")


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _bars(panels: Sequence[Panel]) -> Any:
    figure, axes = plt.subplots((len(panels) + 1) // 2, 2, figsize=(13, 6.4), layout="constrained")
    for axis, panel in zip(axes.flat, panels, strict=False):
        names = list(panel.values)[::-1]
        bars = axis.barh(
            names, [panel.values[name] for name in names], color=[*map(_colour, names)]
        )
        axis.bar_label(bars, fmt="%.1f", padding=3)
        axis.set_title(panel.title, fontsize=10)
        axis.margins(x=0.12)
        _strip(axis)
    return figure


def _colour(name: str) -> tuple[str, float]:
    """A contestant's colour; paler where its name goes on after a comma."""
    contestant, case, _ = name.partition(", ")
    return COLOURS.get(contestant, FLOOR_COLOUR), PALE if case else 1.0


def _steps(result: Sessions) -> Any:
    plots: list[tuple[str, Callable[[Step], float]]] = [
        ("PSS a session, MiB", lambda step: step.pss_a_session),
        ("starts a second", lambda step: step.starts_a_second),
        ("a warm call among them, p50 ms", lambda step: step.call.p50),
    ]
    figure, axes = plt.subplots(1, len(plots), figsize=(13, 3.2), layout="constrained")
    names = [f"{step.alive:,}" for step in result.steps]
    for axis, (title, value) in zip(axes, plots, strict=True):
        bars = axis.bar(names, [value(step) for step in result.steps], color=COLOURS[ours.NAME])
        axis.bar_label(bars, fmt="%.1f", padding=3)
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("sessions alive", fontsize=9)
        axis.margins(y=0.15)
        _strip(axis)
    axes[0].axhline(result.stock_pss, color=FLOOR_COLOUR, linestyle="--")
    axes[0].text(0, result.stock_pss, f"one stock ipykernel: {result.stock_pss:.0f}", va="bottom")
    return figure


def _strip(axis: Any) -> None:
    axis.spines[["top", "right"]].set_visible(False)
