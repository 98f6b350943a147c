"""One connection to one kernel: every message to whom it answers, and nothing left behind."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import zmq.asyncio
from jupyter_client.session import Session

from kernels.runtime.channels import BYTES_A_TURN, MESSAGE_OVERHEAD
from kernels.runtime.connection import Connection
from kernels.runtime.readiness import wait_until_ready
from kernels.runtime.types import Channel
from kernels.runtime.wire import Message
from tests.scripted_cell import Gate, prints
from tests.scripted_kernel import ScriptedLauncher
from tests.unit.harness import Bench, Heard, Line, soon


def stdout(text: str) -> dict[str, Any]:
    """The content of a stream message."""
    return {"name": "stdout", "text": text}


def parent(msg_id: str) -> dict[str, Any]:
    """A request of that id, as the parent of a message."""
    return {"header": {"msg_id": msg_id}}


def ended(heard: Heard) -> bool:
    """Whether an execution's reply and its ``idle`` were heard."""
    idle = any(m.content.get("execution_state") == "idle" for _, m in heard.messages)
    return idle and "execute_reply" in heard.types


async def test_a_request_brings_its_reply_and_its_output(bench: Bench, line: Line) -> None:
    bench.scripts["hi"] = prints("hi\n")
    _, heard = await line.send("hi")
    await heard.until(ended)
    channels = {message.msg_type: channel for channel, message in heard.messages}
    assert channels == {
        "status": Channel.IOPUB,
        "execute_input": Channel.IOPUB,
        "stream": Channel.IOPUB,
        "execute_reply": Channel.SHELL,
    }
    assert heard.texts == ["hi\n"]


async def test_each_of_two_requests_in_flight_hears_its_own_messages_alone(
    bench: Bench, line: Line
) -> None:
    gate = bench.scripts["wait"] = Gate()
    first_id, first = await line.send("wait")
    second_id, second = await line.send("1+1")
    await soon(gate.entered.wait())
    for text in ("a", "b", "c"):
        await line.kernel.publish("stream", stdout(f"1{text}"), parent=parent(first_id))
        await line.kernel.publish("stream", stdout(f"2{text}"), parent=parent(second_id))
    gate.opened.set()
    await first.until(ended)
    await second.until(ended)
    assert first.texts == ["1a", "1b", "1c"]
    assert second.texts == ["2a", "2b", "2c"]
    assert {message.parent_id for _, message in first.messages} == {first_id}
    assert {message.parent_id for _, message in second.messages} == {second_id}


async def test_messages_of_foreign_parents_are_dropped(bench: Bench, line: Line) -> None:
    gate = bench.scripts["wait"] = Gate()
    _, heard = await line.send("wait")
    await soon(gate.entered.wait())
    before = line.connection.received
    await line.kernel.publish("stream", stdout("theirs"), parent=parent("somebody else's"))
    await line.kernel.publish("stream", stdout("nobody's"))
    gate.opened.set()
    await heard.until(ended)
    assert heard.texts == []
    assert line.connection.received >= before + 2
    assert line.connection.refused == 0


async def test_what_is_refused_is_counted_and_the_reader_goes_on(bench: Bench, line: Line) -> None:
    gate = bench.scripts["wait"] = Gate()
    msg_id, heard = await line.send("wait")
    await soon(gate.entered.wait())
    forger, kernel = Session(key=b"another key"), Session(key=line.kernel.info.key)
    twice = kernel.serialize(kernel.msg("stream", stdout("once"), parent=parent(msg_id)))
    await line.kernel.publish("stream", stdout("x"), parent=parent(msg_id), session=forger)
    await line.kernel.publish_frames([b"garbage"])
    await line.kernel.publish_frames([b"", b"<IDS|MSG>", b"", b"{}"])
    await line.kernel.publish_frames(twice)
    await line.kernel.publish_frames(twice)
    gate.opened.set()
    await heard.until(ended)
    assert heard.texts == ["once"]
    assert line.connection.refused == 4


async def test_a_signed_message_that_cannot_be_read_does_not_stop_the_reader(
    bench: Bench, line: Line
) -> None:
    session = Session(key=line.kernel.info.key)
    message = session.msg("stream", stdout("x"))
    message["header"]["date"] = "9999-12-31T24:00:00Z"
    await line.kernel.publish_frames(session.serialize(message))
    bench.scripts["hi"] = prints("hi\n")
    _, heard = await line.send("hi")
    await heard.until(ended)
    assert heard.texts == ["hi\n"]


async def test_a_handler_that_raises_does_not_stop_the_reader(bench: Bench, line: Line) -> None:
    def fail(channel: Channel, message: Message) -> None:
        raise ValueError(message.msg_type)

    await line.connection.request(Channel.SHELL, "kernel_info_request", {}, fail)
    bench.scripts["hi"] = prints("hi\n")
    _, heard = await line.send("hi")
    await heard.until(ended)
    assert heard.texts == ["hi\n"]


async def test_a_request_that_was_forgotten_hears_no_more(bench: Bench, line: Line) -> None:
    gate = bench.scripts["wait"] = Gate()
    msg_id, forgotten = await line.send("wait")
    await forgotten.until(lambda heard: "execute_input" in heard.types)
    line.connection.forget(msg_id)
    gate.opened.set()
    _, heard = await line.send("1+1")
    await heard.until(ended)
    assert forgotten.types == ["status", "execute_input"]


async def test_requests_on_the_control_channel_pass_a_cell_that_runs(
    bench: Bench, line: Line
) -> None:
    _, heard = await line.send("while True: pass")
    await heard.until(lambda heard: "execute_input" in heard.types)
    interrupt = Heard()
    await line.connection.request(Channel.CONTROL, "interrupt_request", {}, interrupt)
    await interrupt.until(lambda heard: bool(heard.types))
    await heard.until(ended)
    assert [(channel, m.msg_type) for channel, m in interrupt.messages] == [
        (Channel.CONTROL, "interrupt_reply")
    ]
    assert "error" in heard.types


async def test_two_connections_to_one_kernel_both_hear_their_own(bench: Bench, line: Line) -> None:
    other = Line(line.kernel, Connection(line.kernel.info, bench.context))
    try:
        await soon(wait_until_ready(other.connection))
        bench.scripts |= {"a": prints("a"), "b": prints("b")}
        _, mine = await line.send("a")
        _, theirs = await other.send("b")
        await mine.until(ended)
        await theirs.until(ended)
    finally:
        other.connection.close()
    assert (mine.texts, theirs.texts) == (["a"], ["b"])


async def test_a_flood_does_not_keep_the_event_loop_to_itself(bench: Bench, line: Line) -> None:
    count = 2_000
    loop, ticks = asyncio.get_running_loop(), 0

    def tick() -> None:
        nonlocal ticks
        ticks += 1
        loop.call_soon(tick)

    gate = bench.scripts["wait"] = Gate()
    msg_id, heard = await line.send("wait")
    await soon(gate.entered.wait())
    for n in range(count):
        await line.kernel.publish("stream", stdout(str(n)), parent=parent(msg_id))
    gate.opened.set()
    loop.call_soon(tick)
    await heard.until(ended)
    assert heard.texts == [str(n) for n in range(count)]
    assert ticks >= count * MESSAGE_OVERHEAD // BYTES_A_TURN - 1


async def test_closing_leaves_no_task_and_no_open_socket(bench: Bench) -> None:
    before = asyncio.all_tasks()
    line = await Line.open(bench)
    with_kernel = bench.context.open_sockets
    line.connection.close()
    await line.kernel.kill()
    assert with_kernel == 6  # four of the kernel, two to it
    assert bench.context.open_sockets == 0
    assert asyncio.all_tasks() == before


async def test_closing_leaves_no_file_descriptor() -> None:
    before = set(os.listdir("/proc/self/fd"))
    context = zmq.asyncio.Context()
    launcher = ScriptedLauncher(context)
    kernel = await launcher.launch()
    connection = Connection(kernel.info, context)
    await soon(wait_until_ready(connection))
    during = set(os.listdir("/proc/self/fd"))
    connection.close()
    await launcher.close()
    # Returns when the last socket is gone from ZMQ's own threads too.
    await soon(asyncio.to_thread(context.term))
    assert len(during) > len(before)
    assert set(os.listdir("/proc/self/fd")) == before


async def test_closing_twice_does_no_harm(bench: Bench) -> None:
    line = await Line.open(bench)
    line.connection.close()
    line.connection.close()
    assert not line.kernel.ended
