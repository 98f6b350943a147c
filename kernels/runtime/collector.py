"""Collects what one execution puts out, bounded while it arrives.

Message types and their meaning: https://jupyter-client.readthedocs.io/en/stable/messaging.html
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from kernels.runtime.bounded import Tail, cut_marker, cut_text
from kernels.runtime.types import ErrorInfo, EventKind, Limits, OutputItem

log = logging.getLogger(__name__)

#: Told of every output as it comes, before any limit is applied.
OutputSink = Callable[[EventKind, dict[str, Any]], None]

PLAIN = "text/plain"


@dataclass(slots=True)
class _StreamRun:
    """Pieces of one stream that nothing came between."""

    name: str
    pieces: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Display:
    kind: str
    data: dict[str, Any]
    metadata: dict[str, Any]
    display_id: str | None
    size: int


class _Stream:
    """How much of one stream came; past the limit only its last characters are kept."""

    def __init__(self, limit: int) -> None:
        self.room = limit
        self.tail = Tail(limit // 2)
        self.overflow = 0

    def take(self, text: str) -> str:
        """The part of ``text`` that still fits in order; the rest goes to the tail."""
        kept = text[: self.room]
        self.room -= len(kept)
        rest = text[len(kept) :]
        if rest:
            self.overflow += len(rest)
            self.tail.append(rest)
        return kept


class OutputCollector:
    """Holds the outputs of one execution and renders them once it has ended.

    Memory is bounded by ``limits`` whatever the kernel sends; ``sink`` sees everything.
    """

    def __init__(self, limits: Limits, sink: OutputSink | None = None) -> None:
        self._limits = limits
        self._sink = sink
        self.execution_count: int | None = None
        self.error: ErrorInfo | None = None
        self._reset()
        self._handlers: dict[str, Callable[[dict[str, Any]], None]] = {
            "stream": self._on_stream,
            "display_data": self._on_display,
            "execute_result": self._on_result,
            "update_display_data": self._on_update_display,
            "clear_output": self._on_clear,
            "error": self._on_error,
            "execute_input": self._on_input,
        }

    def _reset(self) -> None:
        self._items: list[_StreamRun | _Display] = []
        self._streams: dict[str, _Stream] = {}
        self._rich_size = 0
        self._displays = 0
        self._displays_left_out = 0
        self._cut = False
        self._clear_on_next = False
        self.return_value: str | None = None

    def feed(self, msg_type: str, content: dict[str, Any]) -> None:
        """Take one iopub message; types that carry no output are passed over."""
        handler = self._handlers.get(msg_type)
        if handler is not None:
            handler(content)

    @property
    def truncated(self) -> bool:
        """Whether anything was left out."""
        return (
            self._cut
            or self._displays_left_out > 0
            or any(s.overflow for s in self._streams.values())
        )

    def outputs(self) -> tuple[OutputItem, ...]:
        """Everything kept, in the order it came; a cut stream's tail comes last."""
        items = [*self._rendered_items(), *self._tails()]
        if self._displays_left_out:
            note = f"[{self._displays_left_out} more displays left out by kernelbox]"
            items.append(OutputItem(kind="display_data", text=note, data={PLAIN: note}))
        if self.error is not None:
            items.append(_error_item(self.error))
        return tuple(items)

    def _tell(self, kind: EventKind, payload: dict[str, Any]) -> None:
        if self._sink is None:
            return
        try:
            self._sink(kind, payload)
        except Exception:
            log.exception("a listener failed and is told no more", extra={"kind": kind})
            self._sink = None

    def _on_input(self, content: dict[str, Any]) -> None:
        self.execution_count = execution_count(content, self.execution_count)

    def _on_stream(self, content: dict[str, Any]) -> None:
        name = "stderr" if content.get("name") == "stderr" else "stdout"
        text = str(content.get("text", ""))
        self._tell(EventKind.STREAM, {"name": name, "text": text})
        self._clear_if_due()
        stream = self._streams.setdefault(name, _Stream(self._limits.output_chars))
        kept = stream.take(text)
        if not kept:
            return
        last = self._items[-1] if self._items else None
        if not (isinstance(last, _StreamRun) and last.name == name):
            last = _StreamRun(name)
            self._items.append(last)
        last.pieces.append(kept)

    def _on_display(self, content: dict[str, Any]) -> None:
        payload = _mime_payload(content) | {"display_id": _display_id(content)}
        self._tell(EventKind.DISPLAY, payload)
        self._add_display("display_data", content)

    def _on_result(self, content: dict[str, Any]) -> None:
        self.execution_count = execution_count(content, self.execution_count)
        payload = _mime_payload(content) | {"execution_count": self.execution_count}
        self._tell(EventKind.RESULT, payload)
        self._clear_if_due()
        plain = _mapping(content.get("data")).get(PLAIN)
        self.return_value = None if plain is None else self._cut_plain(str(plain))
        self._add_display("execute_result", content)

    def _on_update_display(self, content: dict[str, Any]) -> None:
        display_id = _display_id(content)
        payload = _mime_payload(content) | {"display_id": display_id}
        self._tell(EventKind.UPDATE_DISPLAY, payload)
        shown = [
            item
            for item in self._items
            if isinstance(item, _Display) and display_id and item.display_id == display_id
        ]
        if (
            not shown
        ):  # The display belongs to an earlier cell: what it became is still worth telling.
            self._add_display("update_display_data", content)
            return
        for item in shown:
            self._rich_size -= item.size
            item.data, item.metadata, item.size = self._bounded_bundle(content)

    def _on_clear(self, content: dict[str, Any]) -> None:
        wait = bool(content.get("wait"))
        self._tell(EventKind.CLEAR_OUTPUT, {"wait": wait})
        if wait:
            self._clear_on_next = True
        else:
            self._reset()

    def _on_error(self, content: dict[str, Any]) -> None:
        self._clear_if_due()
        self.error = self.error_from(content)
        self._tell(
            EventKind.ERROR,
            {
                "ename": self.error.ename,
                "evalue": self.error.evalue,
                "traceback": list(self.error.traceback),
            },
        )

    def error_from(self, content: dict[str, Any]) -> ErrorInfo:
        """The exception in an ``error`` message or a failed ``execute_reply``, within limits."""
        evalue = str(content.get("evalue", ""))
        lines = content.get("traceback")
        lines = tuple(map(str, lines)) if isinstance(lines, list) else ()
        traceback = "\n".join(lines)
        kept = cut_text(traceback, self._limits.traceback_chars)
        if kept is not traceback:
            self._cut = True
        return ErrorInfo(
            ename=cut_text(str(content.get("ename", "")), 1_000),
            evalue=self._cut_plain(evalue),
            traceback=lines if kept is traceback else (kept,),
        )

    def _clear_if_due(self) -> None:
        if self._clear_on_next:
            self._reset()

    def _add_display(self, kind: str, content: dict[str, Any]) -> None:
        self._clear_if_due()
        if self._displays >= self._limits.displays:
            self._displays_left_out += 1
            return
        self._displays += 1
        data, metadata, size = self._bounded_bundle(content)
        self._items.append(_Display(kind, data, metadata, _display_id(content), size))

    def _bounded_bundle(
        self, content: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any], int]:
        """The MIME bundle of a display within what is left of the byte limit, and its size."""
        data: dict[str, Any] = {}
        used = 0
        metadata = _mapping(content.get("metadata"))
        for mime, value in _mapping(content.get("data")).items():
            if mime == PLAIN:
                data[mime] = self._cut_plain(str(value))
                continue
            size = _size(value)
            if self._rich_size + used + len(mime) + size > self._limits.rich_bytes:
                data.setdefault(PLAIN, f"[{mime[:100]} of {size} bytes left out by kernelbox]")
                self._cut = True
                continue
            used += len(mime) + size
            data[mime] = value
        metadata_size = _size(metadata) if metadata else 0
        if self._rich_size + used + metadata_size > self._limits.rich_bytes:
            metadata, metadata_size, self._cut = {}, 0, True
        used += metadata_size
        self._rich_size += used
        return data, dict(metadata), used

    def _cut_plain(self, text: str) -> str:
        kept = cut_text(text, self._limits.output_chars)
        if kept is not text:
            self._cut = True
        return kept

    def _rendered_items(self) -> list[OutputItem]:
        """The items in order; of a stream that overflowed, the first half of the limit."""
        room = {
            name: self._limits.output_chars // 2 if stream.overflow else None
            for name, stream in self._streams.items()
        }
        rendered: list[OutputItem] = []
        for item in self._items:
            if isinstance(item, _Display):
                text = item.data.get(PLAIN)
                rendered.append(OutputItem(item.kind, text, None, item.data, item.metadata))
                continue
            text = "".join(item.pieces)
            left = room[item.name]
            if left is not None:
                text = text[:left]
                room[item.name] = left - len(text)
            if text:
                rendered.append(OutputItem("stream", text, item.name))
        return rendered

    def _tails(self) -> list[OutputItem]:
        """For each stream that overflowed: how much is missing, and its last characters."""
        tails = []
        limit = self._limits.output_chars
        for name, stream in self._streams.items():
            if not stream.overflow:
                continue
            total = limit + stream.overflow
            room = limit - limit // 2
            room = max(room - len(cut_marker(total)), 0)
            # Past the limit by less than half of it, the end of what came in order is part of the tail.
            in_order = "".join(
                piece
                for item in self._items
                if isinstance(item, _StreamRun) and item.name == name
                for piece in item.pieces
            )
            last = (in_order[limit // 2 :] + stream.tail.text())[-room:] if room else ""
            marker = cut_marker(total - limit // 2 - len(last))
            tails.append(OutputItem("stream", marker + last, name))
        return tails


def stream_text(outputs: tuple[OutputItem, ...], name: str) -> str:
    """All that went to one stream."""
    return "".join(item.text or "" for item in outputs if item.name == name)


def _error_item(error: ErrorInfo) -> OutputItem:
    data = {"ename": error.ename, "evalue": error.evalue, "traceback": list(error.traceback)}
    return OutputItem("error", f"{error.ename}: {error.evalue}", None, data)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _mime_payload(content: dict[str, Any]) -> dict[str, Any]:
    return {
        "data": dict(_mapping(content.get("data"))),
        "metadata": dict(_mapping(content.get("metadata"))),
    }


def _display_id(content: dict[str, Any]) -> str | None:
    display_id = _mapping(content.get("transient")).get("display_id")
    return str(display_id) if display_id else None


def execution_count(content: Mapping[str, Any], default: int | None) -> int | None:
    """The count in a message, or ``default``: code in the kernel can set it to anything."""
    count = content.get("execution_count")
    if isinstance(count, int) and not isinstance(count, bool) and 0 <= count < 2**31:
        return count
    return default


def _size(value: object) -> int:
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode("utf-8", "replace"))
    return len(orjson.dumps(value, default=str))
