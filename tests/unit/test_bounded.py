"""Text in bounded memory: what is kept, and how what is missing is counted."""

from __future__ import annotations

import re
import tracemalloc

from hypothesis import example, given
from hypothesis import strategies as st

from kernels.runtime.bounded import Tail, cut_marker, cut_text
from tests.unit.harness import PROPERTY

#: No brackets: a marker in the text itself could not be told from ours.
TEXT = st.text(st.characters(exclude_characters="["), max_size=2_000)
LIMITS = st.integers(min_value=0, max_value=1_000)
MARKER = re.compile(re.escape(cut_marker(0)).replace("0", r"(\d+)"))


@PROPERTY
@given(text=TEXT, limit=LIMITS)
@example(text="x" * 200, limit=10)
def test_a_text_is_never_longer_than_its_limit(text: str, limit: int) -> None:
    assert len(cut_text(text, limit)) <= limit


@PROPERTY
@given(text=TEXT, spare=st.integers(min_value=0, max_value=100))
def test_a_text_within_its_limit_is_the_same_object(text: str, spare: int) -> None:
    assert cut_text(text, len(text) + spare) is text


@PROPERTY
@given(length=st.integers(min_value=200, max_value=20_000), limit=st.integers(100, 199))
@example(length=298, limit=199)
def test_what_is_kept_and_what_is_missing_add_up(length: int, limit: int) -> None:
    text = "".join(chr(0x4E00 + n % 20_000) for n in range(length))
    head, missing, tail = MARKER.split(cut_text(text, limit))
    assert len(head) + int(missing) + len(tail) == length
    assert text.startswith(head)
    assert text.endswith(tail)


@PROPERTY
@given(length=st.integers(min_value=200, max_value=20_000), limit=st.integers(100, 199))
def test_head_and_tail_are_kept_in_equal_parts_and_fill_the_limit(length: int, limit: int) -> None:
    cut = cut_text("x" * length, limit)
    head, _, tail = MARKER.split(cut)
    assert len(cut) == limit
    assert 0 <= len(tail) - len(head) <= 1


@PROPERTY
@given(pieces=st.lists(st.text(max_size=50), max_size=50), limit=LIMITS)
def test_a_tail_keeps_exactly_the_last_characters(pieces: list[str], limit: int) -> None:
    whole = "".join(pieces)
    tail = Tail(limit)
    for piece in pieces:
        tail.append(piece)
    assert tail.text() == whole[max(len(whole) - limit, 0) :]


@PROPERTY
@given(pieces=st.lists(st.text(max_size=50), max_size=50), limit=LIMITS)
def test_a_tail_counts_what_it_dropped(pieces: list[str], limit: int) -> None:
    tail = Tail(limit)
    for piece in pieces:
        tail.append(piece)
        assert len(tail) == len(tail.text())
    assert len(tail) + tail.dropped == sum(map(len, pieces))


def test_a_tail_of_many_empty_pieces_takes_no_memory() -> None:
    tail = Tail(100)
    tracemalloc.start()
    try:
        for _ in range(100_000):
            tail.append("")
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert grown < 10_000


def test_one_huge_piece_leaves_only_its_end() -> None:
    tail = Tail(10)
    tail.append("x" * 1_000_000 + "0123456789")
    assert tail.text() == "0123456789"
    assert tail.dropped == 1_000_000
