"""The outputs of an execution as blocks of a page, none of which can run a script in it.

What a kernel sends is hostile: text is escaped, images are shown as images (in which SVG runs
nothing and loads nothing), and HTML is shown in a frame that is sandboxed without any permission
and may load nothing but what is inside it.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.utils.safestring import SafeString

from sessions_app.admin_text import Room, code, terminal

#: What is shown of a display that comes in several kinds: the first of these.
IMAGES = ("image/svg+xml", "image/png", "image/jpeg", "image/gif")
HTML = "text/html"
PLAIN = "text/plain"
#: Languages of other kinds that are worth colours.
_CODE = {
    "application/json": "json",
    "application/javascript": "javascript",
    "text/markdown": "markdown",
    "text/latex": "latex",
}
_KINDS = (*IMAGES, HTML, *_CODE, PLAIN)
#: Pixels: a frame cannot be as high as what is in it without a script, so its rows are counted.
_LEAST_HEIGHT, _MOST_HEIGHT, _MARGIN, _ROW = 80, 480, 44, 27
_ROW_TAGS = ("<tr", "<br", "<p", "<li", "<h", "<pre", "<div")
#: Hints (``preconnect``, ``dns-prefetch``) reach other hosts past any policy.
_LINK = re.compile("<link", re.IGNORECASE)
_FRAME = (
    '<!doctype html><meta charset="utf-8"><meta http-equiv="x-dns-prefetch-control" content="off">'
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
    "font-src data:; style-src 'unsafe-inline'\">"
    "<style>html{background:#fff;color:#111;font:13px/1.4 system-ui,sans-serif}body{margin:8px}"
    "table{border-collapse:collapse}th,td{padding:2px 8px;text-align:right}"
    "th,td{border-color:#ccc}thead th{border-bottom:1px solid #999}</style>"
)


@dataclass(frozen=True, slots=True)
class Block:
    """One thing to show: escaped ``text``, the ``source`` of an image, or a framed ``document``."""

    title: str
    kind: str = "text"
    text: SafeString = SafeString("")
    source: str = ""
    document: str = ""
    height: int = 0
    #: Of what this block shows in one way, the other ways.
    others: tuple[Block, ...] = ()


def blocks_of(outputs: Iterable[Any], error: Any, room: Room) -> list[Block]:
    """The blocks of an execution's outputs, in the order in which they came.

    ``error`` is added where no output tells of one: it may have come without.
    """
    items = [output for output in outputs if isinstance(output, Mapping)]
    blocks = [block for item in items for block in _blocks(item, room)]
    if error and not any(item.get("kind") == "error" for item in items):
        blocks.append(error_block(error, room))
    return blocks


def stream_block(name: str, text: str, room: Room) -> Block:
    """What went to ``stdout`` or ``stderr``."""
    return Block(name, "stderr" if name == "stderr" else "text", terminal(text, room))


def error_block(error: Mapping[str, Any], room: Room) -> Block:
    """An exception: its traceback in colours, or what it says where there is none."""
    lines = error.get("traceback") or [f"{error.get('ename')}: {error.get('evalue')}"]
    return Block("error", "error", terminal("\n".join(map(str, lines)), room))


def _blocks(item: Mapping[str, Any], room: Room) -> list[Block]:
    data = item.get("data")
    bundle = data if isinstance(data, Mapping) else {}
    match item.get("kind"):
        case "stream":
            return [
                stream_block(str(item.get("name") or "stdout"), _string(item.get("text")), room)
            ]
        case "error":
            return [error_block(bundle, room)]
        case kind:
            title = "result" if kind == "execute_result" else "display"
            return [_display(title, bundle, room)]


def _display(title: str, bundle: Mapping[str, Any], room: Room) -> Block:
    """The richest kind that a display comes in, and the others folded away."""
    kinds = sorted(bundle, key=lambda mime: _KINDS.index(mime) if mime in _KINDS else len(_KINDS))
    if not kinds:
        return Block(title)
    first, *others = (_of_kind(mime, bundle[mime], room) for mime in kinds)
    named = title if first.title == PLAIN else f"{title}: {first.title}"
    return replace(first, title=named, others=tuple(others))


def _of_kind(mime: str, value: Any, room: Room) -> Block:
    text = _string(value)
    if mime in IMAGES and (source := _image(mime, text)):
        return Block(mime, "image", source=source)
    if mime == HTML:
        return Block(
            mime, "frame", document=_FRAME + _LINK.sub("<x-link", text), height=_height(text)
        )
    if mime in _CODE:
        return Block(mime, "code", code(text, _CODE[mime], room))
    return Block(mime, text=terminal(text, room))


def _image(mime: str, text: str) -> str:
    """A ``data:`` address; empty for what is no base64, as all but SVG must be."""
    if mime == "image/svg+xml":
        content = base64.b64encode(text.encode()).decode()
    else:
        content = "".join(text.split())
        try:
            base64.b64decode(content, validate=True)
        except (binascii.Error, ValueError):
            return ""
    return f"data:{mime};base64,{content}"


def _height(html: str) -> int:
    lowered = html.lower()
    rows = max(lowered.count(tag) for tag in _ROW_TAGS)
    return min(max(_MARGIN + _ROW * rows, _LEAST_HEIGHT), _MOST_HEIGHT)


def _string(value: Any) -> str:
    """Text as it is; of the lists of lines that notebooks have, the lines; else JSON."""
    match value:
        case str():
            return value
        case None:
            return ""
        case [*lines] if all(isinstance(line, str) for line in lines):
            return "".join(lines)
        case _:
            return json.dumps(value, indent=2, ensure_ascii=False)
