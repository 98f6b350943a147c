"""The thread that sends what nobody flushes, and sleeps while there is nothing."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernels.host.child.pump import INTERVAL, Pump
from tests.unit.host.harness import eventually
from tests.unit.host.peer import LIMIT
from tests.unit.host.stage import Stage


@pytest.fixture
def pump(stage: Stage) -> Iterator[Pump]:
    """A pump that runs."""
    running = Pump(stage.publisher, stage.output, stage.wake)
    running.start()
    yield running
    running.stop()


def text(stage: Stage) -> tuple[str, str]:
    """The next text that is published, by whomever."""
    content = stage.subscriber.message()["content"]
    return content["name"], content["text"]


def wakings(pump: Pump) -> int:
    """How often the thread has been woken up."""
    status = Path(f"/proc/self/task/{pump.native_id}/status").read_text()
    switches = re.search(r"^voluntary_ctxt_switches:\t(\d+)$", status, re.MULTILINE)
    assert switches is not None
    return int(switches.group(1))


def falls_asleep(pump: Pump) -> None:
    """Wait for a quarter of a second in which it is not woken once."""

    def is_asleep() -> bool:
        before = wakings(pump)
        time.sleep(2.5 * INTERVAL)
        return wakings(pump) == before

    eventually(is_asleep)


def test_text_that_nobody_flushes_is_sent_within_a_second(stage: Stage, pump: Pump) -> None:
    begun = time.monotonic()
    stage.stdout.write("unflushed")
    assert text(stage) == ("stdout", "unflushed")
    assert time.monotonic() - begun < 1.0


def test_what_a_subprocess_writes_is_sent_though_nothing_else_happens(
    stage: Stage, pump: Pump
) -> None:
    stage.spill("stderr", b"from outside")
    assert text(stage) == ("stderr", "from outside")


def test_it_sleeps_before_and_after_there_was_something(stage: Stage, pump: Pump) -> None:
    for n in range(2):
        falls_asleep(pump)
        stage.stdout.write(f"text {n}")
        assert text(stage) == ("stdout", f"text {n}")


def test_output_without_pause_is_sent_a_few_times_a_second(stage: Stage, pump: Pump) -> None:
    give_up_at = time.monotonic() + 0.5
    count = 0
    while time.monotonic() < give_up_at:
        stage.stdout.write("x")
        count += 1
        time.sleep(0.0005)
    stage.output.flush()
    heard = stage.heard()
    assert sum(len(part) for _, part in heard) == count
    assert 2 <= len(heard) <= 10


def test_it_welcomes_subscribers(stage: Stage, pump: Pump) -> None:
    second = stage.new_subscriber()
    second.socket.subscribe(b"")
    assert second.message()["msg_type"] == "iopub_welcome"


def test_a_descriptor_that_nobody_can_write_to_any_more_does_not_keep_it_awake(
    stage: Stage, pump: Pump
) -> None:
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stage.targets["stdout"])
    os.close(null)
    stage.stderr.write("goes on")
    assert text(stage) == ("stderr", "goes on")
    falls_asleep(pump)


def test_one_that_was_stopped_leaves_the_rest_to_a_flush(stage: Stage) -> None:
    pump = Pump(stage.publisher, stage.output, stage.wake)
    pump.start()
    pump.stop()
    pump.join(LIMIT)
    assert not pump.is_alive()
    stage.stdout.write("the rest")
    stage.output.flush()
    assert stage.heard() == [("stdout", "the rest")]
