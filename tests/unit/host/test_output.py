"""What a kernel puts out is published as it was written: all of it, in order, and once."""

from __future__ import annotations

import asyncio
import fcntl
import os
import threading
from itertools import groupby
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels.host.child.capture import MOST_A_TURN, Capture
from kernels.host.child.output import MOST_BUFFERED
from tests.unit.harness import PROPERTY
from tests.unit.host.stage import Heard, Stage

streams = st.sampled_from(["stdout", "stderr"])
#: Who writes what where: Python, or something that knows the descriptor alone; or a flush.
writes = st.tuples(streams, st.text(st.characters(codec="utf-8"), max_size=5), st.booleans())


def request(msg_id: str) -> dict[str, Any]:
    """A request, as the parent of messages."""
    return {"header": {"msg_id": msg_id}}


def joined(texts: list[Heard]) -> list[Heard]:
    """Neighbours of one stream put together, and empty ones left out."""
    grouped = groupby((text for text in texts if text[1]), key=lambda text: text[0])
    return [(stream, "".join(text for _, text in group)) for stream, group in grouped]


def test_order_holds_across_stdout_and_stderr(stage: Stage) -> None:
    stage.stdout.write("a")
    stage.stderr.write("b")
    stage.stdout.write("c")
    stage.stdout.write("d")
    stage.stdout.flush()
    assert stage.heard() == [("stdout", "a"), ("stderr", "b"), ("stdout", "cd")]


def test_what_is_written_to_the_descriptors_keeps_its_place(stage: Stage) -> None:
    stage.stdout.write("1")
    stage.spill("stdout", b"2")
    stage.stderr.write("3")
    stage.spill("stderr", b"4")
    stage.stderr.write("5")
    stage.spill("stdout", b"6")
    stage.stderr.flush()
    assert stage.heard() == [("stdout", "12"), ("stderr", "345"), ("stdout", "6")]


@PROPERTY
@given(st.lists(writes | st.none(), max_size=12))
def test_whatever_is_written_arrives_in_order_wherever_it_is_flushed(
    written: list[tuple[str, str, bool] | None],
) -> None:
    stage = Stage()
    try:
        for write in written:
            if write is None:
                stage.output.flush()
            elif write[2]:
                stage.output.streams[write[0]].write(write[1])
            else:
                stage.spill(write[0], write[1].encode())
                stage.output.collect()
        stage.output.flush()
        assert joined(stage.heard()) == joined([write[:2] for write in written if write])
    finally:
        stage.close()


def test_a_flush_publishes_everything_and_says_whether_there_was_anything(stage: Stage) -> None:
    stage.stdout.write("text")
    stage.spill("stderr", b"bytes")
    assert stage.output.flush() is True
    assert stage.heard() == [("stdout", "text"), ("stderr", "bytes")]
    assert stage.output.flush() is False
    assert stage.heard() == []


def test_nothing_is_published_before_a_flush(stage: Stage) -> None:
    stage.stdout.write("text")
    assert stage.heard() == []


def test_text_beyond_what_is_buffered_is_published_at_once(stage: Stage) -> None:
    stage.stdout.write("x" * MOST_BUFFERED)
    assert stage.heard() == []
    stage.stderr.write("y")
    assert stage.heard() == [("stdout", "x" * MOST_BUFFERED), ("stderr", "y")]


def test_a_lone_surrogate_is_shown_as_an_escape(stage: Stage) -> None:
    stage.stdout.write("caf\u00e9 \ud800 \U0001f600")
    stage.stdout.flush()
    stage.stdout.write("after")
    stage.stdout.flush()
    assert stage.heard() == [("stdout", "café \\ud800 😀"), ("stdout", "after")]


def test_bytes_that_are_torn_inside_a_character_are_put_together(stage: Stage) -> None:
    for byte in "é😀".encode():
        stage.spill("stdout", bytes([byte]))
        stage.output.flush()
    assert stage.heard() == [("stdout", "é"), ("stdout", "😀")]


def test_bytes_of_the_two_streams_are_not_mixed_up_within_a_character(stage: Stage) -> None:
    first, second = "é".encode()[:1], "é".encode()[1:]
    for data in (first, second):
        for stream in ("stdout", "stderr"):
            stage.spill(stream, data)
            stage.output.collect()
    stage.output.flush()
    assert stage.heard() == [("stdout", "é"), ("stderr", "é")]


def test_bytes_that_are_no_text_are_replaced(stage: Stage) -> None:
    stage.spill("stdout", b"a\xff\xfeb")
    stage.output.flush()
    assert stage.heard() == [("stdout", "a\ufffd\ufffdb")]


def test_of_what_is_written_without_end_a_flush_takes_a_limited_part() -> None:
    target, pipe = os.open(os.devnull, os.O_WRONLY), os.pipe()
    fcntl.fcntl(pipe[1], fcntl.F_SETPIPE_SZ, 4 * MOST_A_TURN)
    capture = Capture("stdout", target, pipe)
    try:
        os.write(target, b"x" * 3 * MOST_A_TURN)
        assert [len(capture.read()) for _ in range(4)] == [MOST_A_TURN] * 3 + [0]
    finally:
        os.close(target)
        os.close(capture.read_end)


def test_a_message_answers_the_request_in_which_it_was_written(stage: Stage) -> None:
    for msg_id in ("first", "second"):
        stage.stdout.set_parent(request(msg_id))
        stage.stdout.write(f"of the {msg_id}")
    stage.output.flush()
    said = [(m["parent_header"]["msg_id"], m["content"]["text"]) for m in stage.messages()]
    assert said == [("first", "of the first"), ("second", "of the second")]


def test_what_a_subprocess_writes_answers_the_last_request(stage: Stage) -> None:
    stage.stdout.set_parent(request("first"))
    stage.stdout.set_parent(request("second"))
    stage.spill("stdout", b"from outside")
    stage.output.flush()
    [message] = stage.messages()
    assert message["parent_header"]["msg_id"] == "second"


def test_a_thread_answers_the_last_request_unless_it_has_one_of_its_own(stage: Stage) -> None:
    stage.stdout.set_parent(request("cell"))
    seen: list[str] = []

    def look() -> None:
        seen.append(stage.stdout.parent_header["msg_id"])

    def with_its_own() -> None:
        token = stage.stdout.set_thread_parent(request("its own"))
        look()
        stage.stdout.reset_thread_parent(token)
        look()

    for target in (look, with_its_own):
        thread = threading.Thread(target=target)
        thread.start()
        thread.join()
    look()
    assert seen == ["cell", "its own", "cell", "cell"]


async def test_a_task_goes_on_answering_the_request_in_which_it_began(stage: Stage) -> None:
    goes_on = asyncio.Event()

    async def print_later() -> None:
        await goes_on.wait()
        stage.stdout.write("late")

    stage.stdout.set_parent(request("first"))
    task = asyncio.create_task(print_later())
    stage.stdout.set_parent(request("second"))
    goes_on.set()
    await task
    stage.output.flush()
    [message] = stage.messages()
    assert message["parent_header"]["msg_id"] == "first"


def test_nothing_that_threads_write_at_once_is_lost_or_torn(stage: Stage) -> None:
    def write(name: str) -> None:
        for n in range(300):
            stage.output.streams[("stdout", "stderr")[n % 2]].write(f"<{name}{n}>")
            if n % 50 == 0:
                stage.output.flush()

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stage.output.flush()
    whole = "".join(text for _, text in stage.heard())
    for name in "abcd":
        in_order = [whole.index(f"<{name}{n}>") for n in range(300)]
        assert in_order == sorted(in_order)
    assert len(whole) == sum(len(f"<{name}{n}>") for name in "abcd" for n in range(300))


def test_something_that_begins_to_wait_is_told_once(stage: Stage) -> None:
    stage.stdout.write("a")
    stage.stderr.write("b")
    assert os.eventfd_read(stage.wake) == 1
    stage.output.attended = False
    stage.stdout.write("c")
    assert os.eventfd_read(stage.wake) == 1


def test_a_stream_is_a_text_file_for_whoever_prints(stage: Stage) -> None:
    print("one", 2, file=stage.stdout, flush=True)
    stage.stderr.writelines(["three\n", "four\n"])
    stage.output.flush()
    assert stage.heard() == [("stdout", "one 2\n"), ("stderr", "three\nfour\n")]
    assert (stage.stdout.fileno(), stage.stderr.fileno()) == (1, 2)
    assert (stage.stdout.name, stage.stdout.encoding) == ("stdout", "UTF-8")
    assert stage.stdout.writable()
    assert not stage.stdout.isatty()


def test_a_stream_takes_text_alone_and_says_how_much(stage: Stage) -> None:
    assert stage.stdout.write("four") == 4
    assert stage.stdout.write("") == 0
    with pytest.raises(TypeError, match="must be str, not bytes"):
        stage.stdout.write(b"bytes")  # type: ignore[arg-type]
    stage.output.flush()
    assert stage.heard() == [("stdout", "four")]


def test_a_stream_that_is_closed_goes_on(stage: Stage) -> None:
    stage.stdout.close()
    assert stage.stdout.write("still here") == 10
    stage.stdout.flush()
    assert stage.heard() == [("stdout", "still here")]
