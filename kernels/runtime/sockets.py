"""A kernel's Unix sockets, looked at before they are connected to.

What is at a path in a folder where kernels can write may be anything by the time that somebody
connects: a link to another kernel's socket, say. Here the file itself is opened, without following a
link, looked at, and connected to through its descriptor, so that nothing can come between.
"""

from __future__ import annotations

import os
import stat

from kernels.runtime.errors import KernelStartFailed

#: Whether this system can do it: Linux.
CAN_CHECK = hasattr(os, "O_PATH")


class CheckedSocket:
    """A socket file that was found to be one, and our own; :meth:`close` it after the connection."""

    def __init__(self, path: str) -> None:
        """Open and check; raises FileNotFoundError, and KernelStartFailed for anything else there."""
        try:
            self._descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise KernelStartFailed(f"The kernel's socket cannot be opened: {error}") from error
        found = os.fstat(self._descriptor)
        if not stat.S_ISSOCK(found.st_mode) or found.st_uid != os.geteuid():
            self.close()
            raise KernelStartFailed("What is in place of the kernel's socket is not its socket.")

    @property
    def address(self) -> str:
        """The ZMQ address by which exactly this file is connected to, as long as it is open."""
        return f"ipc:///proc/self/fd/{self._descriptor}"

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._descriptor)
