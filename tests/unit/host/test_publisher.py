"""The iopub channel of a kernel: whole messages in order, and a welcome for each subscriber."""

from __future__ import annotations

import select
import signal
import threading
from typing import Any

import pytest
import zmq

from tests.unit.host.peer import LIMIT
from tests.unit.host.stage import Stage


def notices(stage: Stage) -> None:
    """Wait until a subscription has come, and have it noticed."""
    assert stage.socket.poll(round(LIMIT * 1_000))
    stage.publisher.welcome_subscribers()


def test_who_subscribes_is_welcomed_by_a_signed_message(stage: Stage) -> None:
    assert stage.welcome["msg_type"] == "iopub_welcome"
    assert stage.welcome["content"] == {"subscription": ""}
    assert stage.welcome["parent_header"] == {}


def test_a_second_subscriber_is_welcomed_too(stage: Stage) -> None:
    second = stage.new_subscriber()
    second.socket.subscribe(b"")
    notices(stage)
    assert second.message()["msg_type"] == "iopub_welcome"


def test_who_subscribes_to_a_topic_is_welcomed_under_it(stage: Stage) -> None:
    second = stage.new_subscriber()
    second.socket.subscribe(b"stream.stdout")
    notices(stage)
    assert second.frames()[0] == b"stream.stdout"
    stage.stderr.write("not for it")
    stage.stdout.write("for it")
    stage.output.flush()
    assert second.message()["content"] == {"name": "stdout", "text": "for it"}


def test_who_leaves_is_told_nothing(stage: Stage) -> None:
    second = stage.new_subscriber()
    second.socket.subscribe(b"x")
    notices(stage)
    second.socket.unsubscribe(b"x")
    notices(stage)
    of_coming_alone = [message["content"]["subscription"] for message in stage.messages()]
    assert of_coming_alone == ["x"]


def test_a_subscription_that_comes_while_something_is_sent_is_welcomed(stage: Stage) -> None:
    second = stage.new_subscriber()
    second.socket.subscribe(b"")
    assert stage.socket.poll(round(LIMIT * 1_000))
    stage.publisher.send_multipart([b"something"])
    assert second.frames() == [b"something"]
    assert second.message()["msg_type"] == "iopub_welcome"


def test_the_descriptor_tells_of_a_subscription(stage: Stage) -> None:
    second = stage.new_subscriber()
    poller = select.poll()
    poller.register(stage.publisher.descriptor, select.POLLIN)
    second.socket.subscribe(b"")
    assert poller.poll(LIMIT * 1_000)
    stage.publisher.welcome_subscribers()
    assert second.message()["msg_type"] == "iopub_welcome"


def test_messages_that_threads_send_at_once_stay_whole(stage: Stage) -> None:
    def send(name: bytes) -> None:
        for n in range(200):
            stage.publisher.send_multipart([name, b"%d" % n, name * 100])

    threads = [threading.Thread(target=send, args=(name,)) for name in (b"a", b"b", b"c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    heard = [stage.subscriber.frames() for _ in range(600)]
    for name in (b"a", b"b", b"c"):
        own = [frames for frames in heard if frames[0] == name]
        assert own == [[name, b"%d" % n, name * 100] for n in range(200)]


class Interrupted(list[bytes]):
    """Parts of a message; an interrupt comes when the last is asked for."""

    def __getitem__(self, key: Any) -> Any:
        if key == -1:
            signal.raise_signal(signal.SIGINT)
        return super().__getitem__(key)


def test_an_interrupt_tears_no_message(stage: Stage) -> None:
    before = signal.signal(signal.SIGINT, stage.publisher.gate.on_sigint)
    came = False
    try:
        stage.publisher.send_multipart(Interrupted([b"first", b"middle", b"last"]))
    except KeyboardInterrupt:
        came = True
    finally:
        signal.signal(signal.SIGINT, before)
    stage.publisher.send_multipart([b"next"])
    assert stage.subscriber.frames() == [b"first", b"middle", b"last"]
    assert stage.subscriber.frames() == [b"next"]
    assert came


def test_after_it_was_closed_nothing_is_sent_and_nothing_fails(stage: Stage) -> None:
    stage.publisher.send_multipart([b"before"])
    stage.publisher.close(1_000)
    stage.publisher.send_multipart([b"after"])
    stage.publisher.welcome_subscribers()
    assert stage.subscriber.frames() == [b"before"]
    assert stage.subscriber.hears_nothing()
    with pytest.raises(zmq.ZMQError):
        _ = stage.publisher.descriptor
