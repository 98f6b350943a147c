"""Exceptions of a cell, and messages that are not what the protocol says."""

from __future__ import annotations

from typing import Any

import pytest

from kernels.runtime.collector import OutputCollector
from kernels.runtime.types import ErrorInfo, Limits
from kernels.runtime.wire import load_json

TYPES = [
    "stream",
    "display_data",
    "execute_result",
    "update_display_data",
    "clear_output",
    "error",
    "execute_input",
    "status",
    "comm_open",
]
KEYS = [
    "name",
    "text",
    "data",
    "metadata",
    "transient",
    "execution_count",
    "wait",
    "ename",
    "evalue",
    "traceback",
]
ODD: list[Any] = [
    *(None, True, 5, -1, 1.5, "", "text", [], [1, None, {}], [[]]),
    *({"text/plain": value} for value in (None, 5, [1], {"a": 1})),
    *({"image/png": value} for value in (None, 5, [1], {"a": 1})),
    *({"display_id": value} for value in (None, 5, [1], {"a": 1})),
]
TRACEBACK = ["\x1b[31mTraceback\x1b[0m", "ValueError: no"]


def error(**content: Any) -> OutputCollector:
    """A collector that was told of one exception."""
    collector = OutputCollector(Limits(output_chars=200, traceback_chars=200))
    collector.feed("error", content)
    return collector


def test_an_exception_is_kept_with_its_colours() -> None:
    collector = error(ename="ValueError", evalue="no", traceback=TRACEBACK)
    assert collector.error == ErrorInfo("ValueError", "no", tuple(TRACEBACK))
    assert not collector.truncated


def test_an_exception_is_the_last_output() -> None:
    collector = error(ename="ValueError", evalue="no", traceback=TRACEBACK)
    collector.feed("stream", {"name": "stderr", "text": "late"})
    last = collector.outputs()[-1]
    assert (last.kind, last.text) == ("error", "ValueError: no")
    assert last.data == {"ename": "ValueError", "evalue": "no", "traceback": TRACEBACK}


def test_a_traceback_over_its_limit_is_cut() -> None:
    collector = error(ename="E", evalue="", traceback=[f"line {n}" for n in range(1_000)])
    assert collector.error is not None
    (kept,) = collector.error.traceback
    assert len(kept) == 200
    assert kept.startswith("line 0\nline 1\n")
    assert kept.endswith("line 999")
    assert collector.truncated


def test_the_name_and_the_message_of_an_exception_are_bounded() -> None:
    collector = error(ename="N" * 5_000, evalue="v" * 5_000, traceback=[])
    assert collector.error is not None
    assert len(collector.error.ename) == 1_000
    assert len(collector.error.evalue) == 200


@pytest.mark.parametrize("traceback", [None, 5, 1.5, True, "line", {"a": 1}])
def test_a_traceback_that_is_no_list_is_none(traceback: object) -> None:
    collector = error(ename="E", evalue="e", traceback=traceback)
    assert collector.error == ErrorInfo("E", "e", ())


def test_a_traceback_of_other_things_than_strings_is_read_as_text() -> None:
    collector = error(ename="E", evalue="e", traceback=[1, None])
    assert collector.error == ErrorInfo("E", "e", ("1", "None"))


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("msg_type", TYPES)
def test_no_value_of_any_field_raises(msg_type: str, key: str) -> None:
    for value in ODD:
        collector = OutputCollector(Limits(output_chars=50, rich_bytes=100, displays=3))
        for _ in range(2):
            collector.feed(msg_type, {key: value})
        assert {item.kind for item in collector.outputs()} <= {msg_type}


@pytest.mark.parametrize("depth", [300, 1_000])
@pytest.mark.parametrize(
    ("msg_type", "content"),
    [
        ("stream", '{"text": DEEP}'),
        ("display_data", '{"data": {"application/json": DEEP}}'),
        ("display_data", '{"data": {"text/plain": DEEP}}'),
        ("display_data", '{"metadata": {"x": DEEP}}'),
        ("display_data", '{"transient": {"display_id": DEEP}}'),
        ("execute_result", '{"data": {"text/plain": DEEP}}'),
        ("update_display_data", '{"data": {"application/json": DEEP}}'),
        ("error", '{"evalue": DEEP}'),
        ("error", '{"traceback": DEEP}'),
    ],
)
def test_what_the_wire_lets_through_does_not_raise_however_deep_it_is(
    msg_type: str, content: str, depth: int
) -> None:
    collector = OutputCollector(Limits())
    try:
        read = load_json(content.replace("DEEP", "[" * depth + "]" * depth))
    except (ValueError, RecursionError):  # as Wire.parse() refuses it
        return
    collector.feed(msg_type, read)
    assert {item.kind for item in collector.outputs()} <= {msg_type}


def test_a_count_that_is_no_number_is_passed_over() -> None:
    collector = OutputCollector(Limits())
    collector.feed("execute_input", {"execution_count": 4})
    collector.feed("execute_result", {"execution_count": "five"})
    assert collector.execution_count == 4
