"""Text that a kernel sent, as HTML that shows all of it and does nothing: plain, ANSI, code."""

from __future__ import annotations

import io
import re

from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound
from rich.color import Color, ColorType
from rich.console import Console
from rich.style import Style
from rich.text import Text

#: Characters of code, of outputs, and of attempts that one page shows; the API has the rest.
SHOWN = 100_000
ESCAPE = "\x1b"
#: IPython's lexer knows magics and ``!commands``, which are errors to Python's.
_LEXERS = {"python": "ipython3"}
#: The colours 0 to 15 of a terminal are classes, so that the theme decides what they look like.
_NAMED_COLOURS = 16
#: Characters that show nothing, or that show text in another order than it has (CVE-2021-42574).
_INVISIBLE = {
    **{code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in f"\t\n{ESCAPE}"},
    0x7F: "\N{SYMBOL FOR DELETE}",
    **dict.fromkeys(range(0x80, 0xA0), "\N{REPLACEMENT CHARACTER}"),
    **{code: f"⟨U+{code:04X}⟩" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))},
}
_ESCAPE_SHOWN = {ord(ESCAPE): "\N{SYMBOL FOR ESCAPE}"}
#: Titles, links and character sets: nothing of them is shown, and rich takes quadratic time to see
#: that one has no end.
_NOT_COLOURS = re.compile("\x1b(?:][^\x1b\x07]*(?:\x1b\\\\|\x07)?|[()][0-9A-Za-z])")
_NOT_A_SEQUENCE = re.compile("\x1b(?!\\[)")


class Room:
    """How many characters a page has room for: a kernel may have sent more than a page can bear."""

    def __init__(self, left: int = SHOWN) -> None:
        self._left = left

    def take(self, text: str) -> tuple[str, SafeString]:
        """What fits of a text, and a note on what does not."""
        kept = text[: self._left]
        self._left -= len(kept)
        if kept == text:
            return text, SafeString("")
        note = format_html(
            '<span class="kb-note">[{} more characters are not shown here; the API has them.]</span>',
            len(text) - len(kept),
        )
        return kept, note


def visible(text: str) -> str:
    """Text whose lines end in newlines alone, with every invisible character but ESC shown."""
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(_INVISIBLE)


def terminal(text: str, room: Room) -> SafeString:
    """Text in its ANSI colours, escaped. Other sequences, and links, are left out."""
    kept, note = room.take(text)
    if ESCAPE not in kept:
        return escape(visible(kept)) + note
    shown = visible(_NOT_COLOURS.sub("", kept))
    decoded = Text.from_ansi(_NOT_A_SEQUENCE.sub("\N{SYMBOL FOR ESCAPE}", shown), end="")
    console = Console(file=io.StringIO())
    pieces = ((_attributes(piece.style), piece.text) for piece in decoded.render(console))
    return format_html_join("", "<span{}>{}</span>", pieces) + note


def code(text: str, language: str, room: Room) -> SafeString:
    """Code with numbered lines, in the colours of its language where that is known."""
    kept, note = room.take(text)
    formatter = HtmlFormatter(cssclass="kb-code", linenos="inline")
    shown = visible(kept).translate(_ESCAPE_SHOWN)
    # Pygments escapes what it formats.
    return mark_safe(highlight(shown, _lexer(language), formatter)) + note  # noqa: S308


def _lexer(language: str) -> Lexer:
    options = {"stripnl": False, "ensurenl": True}
    for name in (_LEXERS.get(language, language), language):
        try:
            return get_lexer_by_name(name, **options)
        except ClassNotFound:
            continue
    return get_lexer_by_name("text", **options)


def _attributes(style: Style | None) -> SafeString:
    if style is None:
        return SafeString("")
    front, back = style.color, style.bgcolor
    if style.reverse:
        front, back = back or Color.parse("black"), front or Color.parse("bright_white")
    classes = [
        name
        for name, is_on in (
            ("bold", style.bold),
            ("dim", style.dim),
            ("italic", style.italic),
            ("underline", style.underline),
            ("strike", style.strike),
        )
        if is_on
    ]
    variables = []
    for colour, role in ((front, "fg"), (back, "bg")):
        if colour is None or colour.type is ColorType.DEFAULT:
            continue
        if colour.number is not None and colour.number < _NAMED_COLOURS:
            classes.append(f"{role}{colour.number}")
        else:
            classes.append(role)
            variables.append(f"--{role}: {colour.get_truecolor().hex}")
    return format_html(
        "{}{}",
        format_html(' class="{}"', " ".join(f"ansi-{name}" for name in classes)) if classes else "",
        format_html(' style="{}"', "; ".join(variables)) if variables else "",
    )
