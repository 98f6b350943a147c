"""What a cell prints: in order, bounded, and what is missing is counted to the character."""

from __future__ import annotations

import re
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from kernels.runtime.bounded import cut_marker
from kernels.runtime.collector import OutputCollector, stream_text
from kernels.runtime.types import Limits, OutputItem
from tests.unit.harness import PROPERTY

MARKER = re.compile(re.escape(cut_marker(0)).replace("0", r"(\d+)"))
#: Long enough for the marker to fit twice, so that the limit can be kept.
LIMITS = st.integers(min_value=120, max_value=600)
PIECES = st.lists(st.text("abc\n", max_size=120), max_size=40)


def printed(
    pieces: list[tuple[str, str]], output_chars: int = 10_000, **limits: int
) -> OutputCollector:
    """A collector that was fed these pieces of streams."""
    collector = OutputCollector(Limits(output_chars=output_chars, **limits))
    for name, text in pieces:
        collector.feed("stream", {"name": name, "text": text})
    return collector


def on_stdout(pieces: list[str]) -> list[tuple[str, str]]:
    """Pieces that all went to stdout."""
    return [("stdout", piece) for piece in pieces]


def test_pieces_of_one_stream_become_one_output() -> None:
    collector = printed(on_stdout(["a", "b", "c"]))
    assert collector.outputs() == (OutputItem("stream", "abc", "stdout"),)


def test_streams_stay_in_the_order_in_which_they_came() -> None:
    pieces = [("stdout", "1"), ("stdout", "2"), ("stderr", "3"), ("stdout", "4")]
    assert [(item.name, item.text) for item in printed(pieces).outputs()] == [
        ("stdout", "12"),
        ("stderr", "3"),
        ("stdout", "4"),
    ]


def test_a_stream_of_an_unknown_name_is_stdout() -> None:
    assert printed([("stdlog", "x")]).outputs() == (OutputItem("stream", "x", "stdout"),)


def test_empty_pieces_leave_no_output() -> None:
    assert printed(on_stdout(["", ""])).outputs() == ()


@PROPERTY
@given(pieces=PIECES)
def test_all_that_fits_is_kept_as_it_was(pieces: list[str]) -> None:
    whole = "".join(pieces)
    collector = printed(on_stdout(pieces), max(len(whole), 1))
    assert stream_text(collector.outputs(), "stdout") == whole
    assert not collector.truncated


@PROPERTY
@given(pieces=PIECES, limit=LIMITS)
def test_a_stream_is_never_longer_than_its_limit(pieces: list[str], limit: int) -> None:
    text = stream_text(printed(on_stdout(pieces), limit).outputs(), "stdout")
    assert len(text) <= limit


@PROPERTY
@given(pieces=PIECES, end=st.text("xyz", min_size=601, max_size=700), limit=LIMITS)
def test_what_is_kept_and_what_is_missing_add_up_to_what_came(
    pieces: list[str], end: str, limit: int
) -> None:
    whole = "".join([*pieces, end])
    collector = printed(on_stdout([*pieces, end]), limit)
    head, missing, tail = MARKER.split(stream_text(collector.outputs(), "stdout"))
    assert collector.truncated
    assert whole.startswith(head)
    assert whole.endswith(tail)
    assert len(head) + int(missing) + len(tail) == len(whole)


@PROPERTY
@given(size=st.integers(min_value=1, max_value=40), limit=LIMITS)
def test_the_head_and_the_tail_share_the_limit(size: int, limit: int) -> None:
    pieces = [f"{n:0{size}}" for n in range(1_000 // size + 1)]
    outputs = printed(on_stdout(pieces), limit).outputs()
    head, _, tail = MARKER.split(stream_text(outputs, "stdout"))
    assert len(head) == limit // 2
    assert 0 <= limit - len(stream_text(outputs, "stdout")) <= 1
    assert len(tail) > 0


def test_one_character_over_the_limit_is_cut_and_counted() -> None:
    whole = "x" * 200
    head, missing, tail = MARKER.split(
        stream_text(printed(on_stdout(list(whole)), 199).outputs(), "stdout")
    )
    assert len(head) + int(missing) + len(tail) == 200


def test_a_limit_too_small_for_the_marker_still_counts_what_is_missing() -> None:
    text = stream_text(printed(on_stdout(["0123456789"]), 6).outputs(), "stdout")
    assert MARKER.split(text) == ["012", "7", ""]


def test_each_stream_has_a_limit_of_its_own() -> None:
    collector = printed([("stdout", "x" * 1_000), ("stderr", "all of it")], 200)
    assert stream_text(collector.outputs(), "stderr") == "all of it"
    assert 190 < len(stream_text(collector.outputs(), "stdout")) <= 200


def test_when_both_streams_overflow_each_is_counted_by_itself() -> None:
    pieces = [("stdout", "o" * 30), ("stderr", "e" * 20)] * 100
    outputs = printed(pieces, 200).outputs()
    for name, letter, total in (("stdout", "o", 3_000), ("stderr", "e", 2_000)):
        head, missing, tail = MARKER.split(stream_text(outputs, name))
        assert set(head + tail) == {letter}
        assert len(head) + int(missing) + len(tail) == total


def test_a_hundred_thousand_small_messages_take_bounded_memory() -> None:
    collector = OutputCollector(Limits(displays=100))
    tracemalloc.start()
    try:
        for n in range(33_334):
            collector.feed("stream", {"name": "stdout", "text": f"{n}\n"})
            collector.feed("stream", {"name": "stderr", "text": "e"})
            collector.feed("display_data", {"data": {"text/plain": f"<{n}>"}})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # 15,000 characters of each stream in pieces of one to six, and 100 displays.
    assert peak < 4 * 1024 * 1024
    assert collector.truncated
    assert stream_text(collector.outputs(), "stdout").endswith("33332\n33333\n")
