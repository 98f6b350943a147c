"""What a scripted kernel does with one cell: scripts, and what a script can do.

A script is a coroutine function of a :class:`Cell`. It stands for the code that was sent.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from jupyter_client.session import Session

Script = Callable[["Cell"], Awaitable[None]]


class Speaker(Protocol):
    """The kernel of a cell, as far as a script needs it."""

    async def publish(
        self,
        msg_type: str,
        content: dict[str, Any],
        *,
        parent: dict[str, Any] | None = None,
        session: Session | None = None,
    ) -> None:
        """Send a message on iopub: of any parent, and signed by another session to forge it."""

    async def publish_frames(self, frames: Sequence[bytes]) -> None:
        """Send any frames on iopub."""

    def die(self, return_code: int = -signal.SIGKILL) -> None:
        """End at once."""


class CodeRaised(Exception):
    """Raised by a script: the cell's code raised an exception of that name."""

    def __init__(self, ename: str, evalue: str = "", traceback: Sequence[str] = ()) -> None:
        super().__init__(ename, evalue)
        self.content: dict[str, Any] = {
            "ename": ename,
            "evalue": evalue,
            "traceback": list(traceback),
        }


class Cell:
    """One ``execute_request``, and what its script can do about it."""

    def __init__(self, kernel: Speaker, request: dict[str, Any], count: int | None) -> None:
        self.kernel = kernel
        self.request = request
        self.code: str = request["content"]["code"]
        self.count = count
        #: The content of the ``execute_reply``, for a script to change.
        self.reply: dict[str, Any] = {"status": "ok", "execution_count": count}
        #: Whether ``idle`` is said at the end; a kernel that floods iopub can lose it.
        self.says_idle = True
        self._interrupted = asyncio.Event()

    async def stdout(self, text: str) -> None:
        """Print to stdout."""
        await self.publish("stream", {"name": "stdout", "text": text})

    async def stderr(self, text: str) -> None:
        """Print to stderr."""
        await self.publish("stream", {"name": "stderr", "text": text})

    async def display(self, data: Mapping[str, Any], *, display_id: str = "") -> None:
        """Show a MIME bundle; with an id it can be updated later."""
        await self.publish("display_data", _bundle(data, display_id))

    async def update_display(self, data: Mapping[str, Any], *, display_id: str) -> None:
        """Change what was shown under that id."""
        await self.publish("update_display_data", _bundle(data, display_id))

    async def result(self, text: str) -> None:
        """Give the value of the last expression."""
        bundle = _bundle({"text/plain": text}, "")
        await self.publish("execute_result", bundle | {"execution_count": self.count})

    async def clear(self, *, wait: bool = False) -> None:
        """Clear the output, now or when the next one comes."""
        await self.publish("clear_output", {"wait": wait})

    async def error(self, ename: str, evalue: str = "", traceback: Sequence[str] = ()) -> None:
        """Report an exception; the reply fails with it. Raising :class:`CodeRaised` does the same."""
        content = CodeRaised(ename, evalue, traceback).content
        self.reply |= {"status": "error"} | content
        await self.publish("error", content)

    async def until_interrupted(self) -> None:
        """Do nothing until an interrupt comes, then raise ``KeyboardInterrupt`` as code would."""
        await self._interrupted.wait()
        raise CodeRaised("KeyboardInterrupt")

    async def forever(self) -> None:
        """Do nothing, whatever comes; ends with the kernel."""
        await asyncio.Event().wait()

    async def die(self, return_code: int = -signal.SIGKILL) -> None:
        """End the whole kernel; does not return."""
        self.kernel.die(return_code)
        await self.forever()

    async def publish(self, msg_type: str, content: dict[str, Any]) -> None:
        """Send any message on iopub, as part of this cell."""
        await self.kernel.publish(msg_type, content, parent=self.request)

    def on_interrupt(self) -> None:
        """Called by the kernel that was interrupted."""
        self._interrupted.set()


class Gate:
    """A script that says when its cell has begun, and waits to be let through."""

    def __init__(self, before: str = "") -> None:
        self.entered = asyncio.Event()
        self.opened = asyncio.Event()
        self._before = before

    async def __call__(self, cell: Cell) -> None:
        """Run as a script."""
        if self._before:
            await cell.stdout(self._before)
        self.entered.set()
        await self.opened.wait()


def prints(*texts: str) -> Script:
    """Code that prints these texts to stdout, one message each."""

    async def script(cell: Cell) -> None:
        for text in texts:
            await cell.stdout(text)

    return script


def answers(text: str) -> Script:
    """Code whose last value is shown as ``text``."""
    return lambda cell: cell.result(text)


def raises(ename: str, evalue: str = "") -> Script:
    """Code that raises."""
    return lambda cell: cell.error(ename, evalue, [f"{ename}: {evalue}"])


def dies(return_code: int, *, after: str = "") -> Script:
    """Code that ends the kernel, after it has printed something."""

    async def script(cell: Cell) -> None:
        if after:
            await cell.stdout(after)
        await cell.die(return_code)

    return script


DEFAULT_SCRIPTS: dict[str, Script] = {
    "1+1": answers("2"),
    "print('hello')": prints("hello\n"),
    "1/0": raises("ZeroDivisionError", "division by zero"),
    "raise KeyboardInterrupt": raises("KeyboardInterrupt"),
    "while True: pass": Cell.until_interrupted,
    "ignore interrupts": Cell.forever,
    "os._exit(3)": dies(3),
}


def _bundle(data: Mapping[str, Any], display_id: str) -> dict[str, Any]:
    transient = {"display_id": display_id} if display_id else {}
    return {"data": dict(data), "metadata": {}, "transient": transient}
