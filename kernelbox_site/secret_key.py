"""Django's secret key: made on first start, kept where only its owner can read it."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path

from django.core.management.utils import get_random_secret_key


def private_folder(path: Path) -> Path:
    """Make a folder that only its owner can enter; one that exists must be so already.

    Raises :class:`PermissionError` for any other: in a shared temporary folder it may have been
    planted, and what is somebody else's is not ours to change.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise PermissionError(f"{path} is no folder of this user")
    if status.st_mode & 0o077:
        raise PermissionError(f"{path} can be entered by others: it must have mode 700")
    return path


def private_file(path: Path, content: str) -> str:
    """The content of a file of mode 0600; where there is none yet, it is made with ``content``.

    Of two processes that make it at once, one wins and both get what it wrote.
    """
    if not path.exists():
        with tempfile.NamedTemporaryFile("w", dir=path.parent) as draft:  # of mode 0600
            draft.write(content + "\n")
            draft.flush()
            with contextlib.suppress(FileExistsError):
                os.link(draft.name, path)
    return path.read_text().strip()


def secret_key(home: Path) -> str:
    """The key in ``home``, made if it is not there."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    return private_file(home / "secret_key", get_random_secret_key())
