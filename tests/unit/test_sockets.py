"""Unix sockets that are looked at before they are connected to."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernels.runtime.errors import KernelStartFailed
from kernels.runtime.sockets import CheckedSocket


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose path leaves room for a socket's name."""
    made = Path(tempfile.mkdtemp(prefix="k", dir="/tmp"))
    yield made
    shutil.rmtree(made)


@pytest.fixture(autouse=True)
def no_descriptor_is_left() -> Iterator[None]:
    """Fail the test after which more descriptors are open than before."""
    before = set(os.listdir("/proc/self/fd"))
    yield
    assert set(os.listdir("/proc/self/fd")) == before


def listening(path: Path) -> socket.socket:
    """A socket that listens at a path."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    return listener


def path_of(checked: CheckedSocket) -> str:
    """Where the checked address is connected to."""
    scheme, _, path = checked.address.partition("://")
    assert scheme == "ipc"
    return path


def test_a_socket_of_ones_own_is_connected_to(folder: Path) -> None:
    with listening(folder / "s") as listener, socket.socket(socket.AF_UNIX) as client:
        checked = CheckedSocket(str(folder / "s"))
        client.connect(path_of(checked))
        accepted, _ = listener.accept()
        accepted.close()
        checked.close()


def test_what_takes_its_place_afterwards_is_not_connected_to(folder: Path) -> None:
    with (
        listening(folder / "s") as checked_one,
        listening(folder / "other") as other,
        socket.socket(socket.AF_UNIX) as client,
    ):
        checked = CheckedSocket(str(folder / "s"))
        os.replace(folder / "other", folder / "s")
        client.connect(path_of(checked))
        accepted, _ = checked_one.accept()
        accepted.close()
        checked.close()
        other.setblocking(False)
        with pytest.raises(BlockingIOError):
            other.accept()


def test_where_nothing_is_there_is_no_socket_yet(folder: Path) -> None:
    with pytest.raises(FileNotFoundError):
        CheckedSocket(str(folder / "s"))
    with pytest.raises(FileNotFoundError):
        CheckedSocket(str(folder / "nowhere" / "s"))


def test_a_link_to_a_socket_is_refused(folder: Path) -> None:
    with listening(folder / "real"):
        (folder / "s").symlink_to(folder / "real")
        with pytest.raises(KernelStartFailed, match="not its socket"):
            CheckedSocket(str(folder / "s"))


def test_a_link_to_nothing_is_refused(folder: Path) -> None:
    (folder / "s").symlink_to(folder / "nowhere")
    with pytest.raises(KernelStartFailed, match="not its socket"):
        CheckedSocket(str(folder / "s"))


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir, os.mkfifo])
def test_anything_else_is_refused(folder: Path, make: object) -> None:
    assert callable(make)
    make(folder / "s")
    with pytest.raises(KernelStartFailed, match="not its socket"):
        CheckedSocket(str(folder / "s"))


def test_a_path_below_a_file_is_refused_with_the_reason(folder: Path) -> None:
    (folder / "file").touch()
    with pytest.raises(KernelStartFailed, match="Not a directory"):
        CheckedSocket(str(folder / "file" / "s"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_somebody_elses_socket_is_refused(folder: Path) -> None:
    with listening(folder / "s"):
        os.chown(folder / "s", 12_345, -1)
        with pytest.raises(KernelStartFailed, match="not its socket"):
            CheckedSocket(str(folder / "s"))
