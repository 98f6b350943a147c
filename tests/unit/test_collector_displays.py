"""Displays, results and what clears them: in order, updated in place, bounded in number and size."""

from __future__ import annotations

from typing import Any

import pytest

from kernels.runtime.collector import OutputCollector, stream_text
from kernels.runtime.types import EventKind, Limits

Messages = list[tuple[str, dict[str, Any]]]


def collected(messages: Messages, **limits: int) -> OutputCollector:
    """A collector that was fed these messages."""
    collector = OutputCollector(Limits(**limits))
    for msg_type, content in messages:
        collector.feed(msg_type, content)
    return collector


def printed(text: str) -> tuple[str, dict[str, Any]]:
    """A message of stdout."""
    return "stream", {"name": "stdout", "text": text}


def display(
    data: dict[str, Any], display_id: str | None = None, kind: str = "display_data"
) -> tuple[str, dict[str, Any]]:
    """A message that shows something."""
    return kind, {"data": data, "metadata": {}, "transient": {"display_id": display_id}}


def update(data: dict[str, Any], display_id: str) -> tuple[str, dict[str, Any]]:
    """A message that changes something that was shown."""
    return display(data, display_id, "update_display_data")


def result(text: str, count: int = 1) -> tuple[str, dict[str, Any]]:
    """A message with the last value."""
    content = {"data": {"text/plain": text}, "metadata": {}, "execution_count": count}
    return "execute_result", content


def plain(text: str) -> dict[str, Any]:
    """A MIME bundle of plain text."""
    return {"text/plain": text}


def test_displays_and_streams_stay_in_the_order_in_which_they_came() -> None:
    collector = collected(
        [printed("1"), display(plain("2")), printed("3"), display(plain("4")), result("5")]
    )
    assert [(item.kind, item.text) for item in collector.outputs()] == [
        ("stream", "1"),
        ("display_data", "2"),
        ("stream", "3"),
        ("display_data", "4"),
        ("execute_result", "5"),
    ]
    assert not collector.truncated


def test_a_display_keeps_its_data_and_its_metadata() -> None:
    metadata = {"image/png": {"width": 4}}
    collector = collected(
        [("display_data", {"data": {"image/png": "iVBOR"}, "metadata": metadata})]
    )
    (item,) = collector.outputs()
    assert (item.data, item.metadata) == ({"image/png": "iVBOR"}, metadata)


def test_the_result_is_the_return_value_and_gives_the_count() -> None:
    collector = collected([result("42", count=7)])
    assert (collector.return_value, collector.execution_count) == ("42", 7)


def test_an_update_changes_what_was_shown_in_its_place() -> None:
    collector = collected(
        [display(plain("0 %"), "bar"), printed("x"), update(plain("100 %"), "bar")]
    )
    assert [item.text for item in collector.outputs()] == ["100 %", "x"]


def test_an_update_changes_every_display_of_that_id_and_no_other() -> None:
    shown = [display(plain("a"), "one"), display(plain("b"), "two"), display(plain("c"), "one")]
    collector = collected([*shown, update(plain("new"), "one")])
    assert [item.text for item in collector.outputs()] == ["new", "b", "new"]


def test_an_update_of_a_display_of_an_earlier_cell_is_told_once() -> None:
    collector = collected([update(plain(f"{n} %"), "bar") for n in range(100)])
    assert [(item.kind, item.text) for item in collector.outputs()] == [
        ("update_display_data", "99 %")
    ]


def test_clearing_takes_away_what_came_before() -> None:
    collector = collected(
        [printed("old"), result("old"), ("clear_output", {"wait": False}), printed("new")]
    )
    assert [item.text for item in collector.outputs()] == ["new"]
    assert collector.return_value is None


@pytest.mark.parametrize(
    "next_output", [printed("new"), display(plain("new")), result("new")], ids=lambda m: str(m[0])
)
def test_clearing_that_waits_is_done_by_the_next_output(
    next_output: tuple[str, dict[str, Any]],
) -> None:
    collector = collected([printed("old"), ("clear_output", {"wait": True})])
    assert [item.text for item in collector.outputs()] == ["old"]
    collector.feed(*next_output)
    assert [item.text for item in collector.outputs()] == ["new"]


def test_clearing_that_waits_clears_once() -> None:
    collector = collected([("clear_output", {"wait": True}), printed("a"), printed("b")])
    assert stream_text(collector.outputs(), "stdout") == "ab"


def test_what_was_cleared_is_not_missing() -> None:
    collector = collected([printed("x" * 1_000), ("clear_output", {})], output_chars=200)
    assert not collector.truncated


def test_a_cleared_output_gives_its_bytes_back() -> None:
    image = display({"image/png": "x" * 80})
    collector = collected([image, ("clear_output", {}), image], rich_bytes=100)
    assert collector.outputs()[0].data == {"image/png": "x" * 80}


def test_displays_over_the_limit_are_counted_and_left_out() -> None:
    collector = collected([display(plain(str(n))) for n in range(10)], displays=3)
    *shown, note = collector.outputs()
    assert [item.text for item in shown] == ["0", "1", "2"]
    assert note.text == "[7 more displays left out by kernelbox]"
    assert collector.truncated


def test_rich_data_over_the_limit_is_left_out_and_said_so() -> None:
    collector = collected([display({"image/png": "x" * 101})], rich_bytes=100)
    (item,) = collector.outputs()
    assert item.data == {"text/plain": "[image/png of 101 bytes left out by kernelbox]"}
    assert collector.truncated


def test_the_plain_text_of_a_display_is_kept_when_its_image_is_left_out() -> None:
    collector = collected([display({"image/png": "x" * 101, **plain("<Figure>")})], rich_bytes=100)
    assert collector.outputs()[0].data == plain("<Figure>")


def test_the_limit_of_rich_data_is_that_of_the_whole_execution() -> None:
    images = [display({"image/png": "x" * 40}) for _ in range(4)]
    collector = collected(images, rich_bytes=100)
    kept = ["image/png" in item.data for item in collector.outputs()]
    assert kept == [True, True, False, False]


def test_an_update_gives_back_the_bytes_of_what_it_replaces() -> None:
    frames = [update({"image/png": f"{n:080}"}, "movie") for n in range(50)]
    collector = collected([display({"image/png": "x" * 80}, "movie"), *frames], rich_bytes=100)
    assert collector.outputs()[0].data == {"image/png": f"{49:080}"}
    assert not collector.truncated


def test_metadata_counts_towards_the_limit_of_rich_data() -> None:
    content = {"data": plain("x"), "metadata": {"note": "x" * 200}}
    collector = collected([("display_data", content)], rich_bytes=100)
    assert collector.outputs()[0].metadata == {}
    assert collector.truncated


def test_rich_data_is_counted_in_bytes_not_in_characters() -> None:
    collector = collected([display({"text/html": "é" * 60})], rich_bytes=100)
    assert "text/html" not in collector.outputs()[0].data
    assert collector.truncated


def test_the_names_of_mime_types_count_towards_the_limit_too() -> None:
    collector = collected([display({f"x/{n}": "" for n in range(10_000)})], rich_bytes=1_000)
    (item,) = collector.outputs()
    assert sum(map(len, item.data)) <= 1_000 + len("text/plain")
    assert collector.truncated


def test_a_return_value_over_the_limit_is_cut() -> None:
    collector = collected([result("x" * 1_000)], output_chars=200)
    value = collector.return_value or ""
    assert len(value) == 200
    assert "truncated by kernelbox" in value
    assert collector.truncated


def test_the_listener_sees_everything_as_it_comes_and_before_it_is_cut() -> None:
    told: list[tuple[EventKind, dict[str, Any]]] = []
    collector = OutputCollector(Limits(output_chars=5), lambda *event: told.append(event))
    bundle = {"data": plain("d"), "metadata": {}}
    for message in (
        printed("longer than the limit"),
        display(plain("d")),
        update(plain("d"), "bar"),
        ("clear_output", {"wait": True}),
        result("r", count=3),
        ("error", {"ename": "E", "evalue": "e", "traceback": ["t"]}),
        ("status", {"execution_state": "idle"}),
    ):
        collector.feed(*message)
    assert told == [
        (EventKind.STREAM, {"name": "stdout", "text": "longer than the limit"}),
        (EventKind.DISPLAY, bundle | {"display_id": None}),
        (EventKind.UPDATE_DISPLAY, bundle | {"display_id": "bar"}),
        (EventKind.CLEAR_OUTPUT, {"wait": True}),
        (EventKind.RESULT, {"data": plain("r"), "metadata": {}, "execution_count": 3}),
        (EventKind.ERROR, {"ename": "E", "evalue": "e", "traceback": ["t"]}),
    ]
