"""Cells made by chance that put out text in all the ways there are, with what must come of each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from tests.live.host.session import Result

#: What long pieces are made of.
FILL = "x"
SETUP = "import os, subprocess, sys, threading"
_MARK = re.compile(r"<\d+\.\d+>")


@dataclass(frozen=True, slots=True)
class Piece:
    """One thing that a cell puts out; its text has a mark that no other has."""

    #: ``stdout``, ``stderr``, ``display_data`` or ``execute_result``.
    channel: str
    text: str
    #: Whether Python itself wrote it, and not something that knows the file descriptor alone.
    by_python: bool = True

    @property
    def mark(self) -> str:
        """What tells it from all others."""
        return "".join(_MARK.findall(self.text))


@dataclass(frozen=True, slots=True)
class Cell:
    """Code, and what it puts out, in order."""

    code: str
    pieces: tuple[Piece, ...]

    def text(self, channel: str) -> str:
        """All that it writes to a stream."""
        return "".join(piece.text for piece in self.pieces if piece.channel == channel)

    def displays(self) -> list[tuple[str, str]]:
        """Its displays and its value, in order."""
        return [(p.channel, p.text) for p in self.pieces if not p.channel.startswith("std")]

    def marks(self, *channels: str, by_python: bool = True) -> list[str]:
        """The marks of what it puts out there, in order."""
        return [
            piece.mark
            for piece in self.pieces
            if piece.channel in channels and piece.by_python >= by_python
        ]


def _printed(channel: str, text: str, random: Random) -> tuple[str, Piece]:
    end = random.choice(["\n", "\n", "", " ", "\n\n", "é\r\n"])
    flush = random.choice(["", "", ", flush=True"])
    return f"print({text!r}, end={end!r}, file=sys.{channel}{flush})", Piece(channel, text + end)


def _threaded(channel: str, text: str, random: Random) -> tuple[str, Piece]:
    target = f"print, args=({text!r},), kwargs={{'file': sys.{channel}}}"
    code = f"t = threading.Thread(target={target}); t.start(); t.join()"
    return code, Piece(channel, text + "\n")


def _displayed(channel: str, text: str, random: Random) -> tuple[str, Piece]:
    return f"display({text!r})", Piece("display_data", repr(text))


def _written(channel: str, text: str, random: Random) -> tuple[str, Piece]:
    line = text + random.choice(["", "\n"])
    number = ("stdout", "stderr").index(channel) + 1
    return f"_n = os.write({number}, {line.encode()!r})", Piece(channel, line, by_python=False)


def _echoed(channel: str, text: str, random: Random) -> tuple[str, Piece]:
    to = "" if channel == "stdout" else " >&2"
    line = f"echo '{text}'{to}"
    run = random.choice(["os.system({!r})", "subprocess.run({!r}, shell=True)"])
    return "_n = " + run.format(line), Piece(channel, text + "\n", by_python=False)


_KINDS: list[Callable[[str, str, Random], tuple[str, Piece]]] = [
    _printed, _printed, _threaded, _displayed, _written, _echoed,
]  # fmt: skip


def make_cell(number: int, random: Random) -> Cell:
    """A cell of a few lines, each of which puts out one thing, and now and then a value."""
    lines, pieces = [], []
    for place in range(random.randint(1, 8)):
        text = f"<{number}.{place}>" + FILL * random.choice([0, 1, 40, 2_000])
        channel = random.choice(["stdout", "stdout", "stderr"])
        line, piece = random.choice(_KINDS)(channel, text, random)
        lines.append(line)
        pieces.append(piece)
    if random.random() < 0.5:
        text = f"<{number}.{len(pieces)}>"
        lines.append(repr(text))
        pieces.append(Piece("execute_result", repr(text)))
    return Cell("\n".join(lines), tuple(pieces))


def marks_in(result: Result, *channels: str) -> list[str]:
    """The marks of what came by those channels, in the order in which it came."""
    return [
        mark
        for item in result["outputs"]
        if (item["name"] or item["kind"]) in channels
        for mark in _MARK.findall(item["text"])
    ]


def displays_in(result: Result) -> Iterator[tuple[str, str]]:
    """The displays and the value that came, in order."""
    for item in result["outputs"]:
        if item["kind"] != "stream":
            yield item["kind"], item["text"]
