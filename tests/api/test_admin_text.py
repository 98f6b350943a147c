"""Text from a kernel, as HTML: colours are kept, everything else is only shown."""

from __future__ import annotations

import re
import time

import pytest

from sessions_app.admin_text import SHOWN, Room, code, terminal, visible


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("plain <b>&", "plain &lt;b&gt;&amp;"),
        ("\x1b[32mok\x1b[0m", '<span class="ansi-fg2">ok</span>'),
        ("\x1b[91mx", '<span class="ansi-fg9">x</span>'),
        ("\x1b[1;4mx", '<span class="ansi-bold ansi-underline">x</span>'),
        ("\x1b[44mx", '<span class="ansi-bg4">x</span>'),
        ("\x1b[38;2;1;2;3mx", '<span class="ansi-fg" style="--fg: #010203">x</span>'),
        ("\x1b[7;31mx", '<span class="ansi-fg0 ansi-bg1">x</span>'),
        ("\x1b[31m<i>\x1b[0m", '<span class="ansi-fg1">&lt;i&gt;</span>'),
    ],
)
def test_colours_become_classes(text: str, html: str) -> None:
    assert terminal(text, Room()) == html


def test_links_and_movements_of_a_terminal_are_left_out() -> None:
    link = "\x1b]8;;javascript:evil()\x1b\\press\x1b]8;;\x1b\\"
    shown = terminal(f"{link} \x1b[2K\x1b[1Aup \x1b[31mred", Room())
    assert "javascript" not in shown
    assert "href" not in shown
    assert "press" in shown
    assert "\x1b" not in shown


def test_lines_stay_as_they_are() -> None:
    shown = terminal("\n a\n\n\x1b[31mb\x1b[0m\nc\n", Room())
    assert re.sub("<[^>]*>", "", shown) == "\n a\n\nb\nc\n"


def test_a_sequence_cannot_be_made_of_what_another_leaves() -> None:
    assert terminal("\x1b\x1b]x\x07]8;;javascript:evil()", Room()).count("\x1b") == 0


def test_text_ends_where_the_room_does() -> None:
    room = Room(5)
    assert terminal("abc", room) == "abc"
    assert terminal("defg", room).startswith("de<span")
    assert "[4 more characters" in code("hijk", "python", room)


def test_what_a_carriage_return_would_hide_is_shown() -> None:
    assert visible("secret\rok\r\nnext") == "secret\nok\nnext"


def test_characters_that_show_nothing_are_shown() -> None:
    assert visible("a\x00\x08\x7f\x9b") == "a␀␈␡\N{REPLACEMENT CHARACTER}"
    assert visible("tab\tnewline\n") == "tab\tnewline\n"


def test_text_cannot_be_turned_round() -> None:
    assert "⟨U+202E⟩" in code("access = 'user\u202e'", "python", Room())
    assert "\u202e" not in terminal("\x1b[31m\u202etxt", Room())


def test_escapes_in_code_are_shown() -> None:
    assert "␛" in code("x = '\x1b[31m'", "python", Room())


@pytest.mark.parametrize("language", ["python", "bash", "r", "julia", "no such language", ""])
def test_code_of_every_language_keeps_its_lines(language: str) -> None:
    shown = code("\n\nx = 1\n", language, Room())
    assert '<span class="linenos">3</span>' in shown


def test_magics_are_no_errors() -> None:
    assert 'class="err"' not in code("%timeit x\n!ls\nx?", "python", Room())


@pytest.mark.parametrize(
    "text",
    ["\x1b[31mx\x1b[0m", "\x1b", "\x1b]8;;", "\x1b\x1b]\x07]8;;", "\x1b[38;5;", "<", "'", "\\"],
)
def test_long_hostile_text_takes_no_time(text: str) -> None:
    long = text * (SHOWN // len(text) + 1)
    began = time.perf_counter()
    terminal(long, Room())
    code(long, "python", Room())
    assert time.perf_counter() - began < 5
