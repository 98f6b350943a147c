"""Where a kernel works: environment, folder, limits, and what it does not get from the host."""

from __future__ import annotations

import os
import resource
import signal
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from tests.unit.host.conftest import NewHost
from tests.unit.host.nest import Kernel, Nest

SECRETS = {"KERNELBOX_TOKEN": "s3cret", "DATABASE_URL": "s3cret", "SECRET": "s3cret"}
ORDERED = {"PATH": "/usr/bin:/bin", "GREETING": "grüß dich = \n", "EMPTY": "", "TZ": "Asia/Tokyo"}
#: What IPython sets in its own process, so that tools know where their output goes.
BY_IPYTHON = {
    "TERM",
    "CLICOLOR",
    "FORCE_COLOR",
    "CLICOLOR_FORCE",
    "PAGER",
    "GIT_PAGER",
    "MPLBACKEND",
}

either = pytest.mark.parametrize("fork", [True, False], ids=["forked", "executed"])


def started(nest: Nest, fork: bool, **options: object) -> Kernel:
    """A kernel of either kind."""
    return nest.fork(**options) if fork else nest.execute(**options)


def environ(pid: int) -> dict[str, str]:
    """The environment that a process began with."""
    return psutil.Process(pid).environ()


def test_a_forked_kernel_has_the_environment_that_was_ordered(nest: Nest) -> None:
    notebook = nest.fork(environment=ORDERED).notebook
    seen = notebook.value("import os; dict(os.environ)")
    assert {name: seen[name] for name in ORDERED} == ORDERED
    assert seen.keys() - ORDERED.keys() == BY_IPYTHON


def test_what_a_forked_kernel_starts_has_that_environment_too(nest: Nest) -> None:
    notebook = nest.fork(environment=ORDERED).notebook
    said = notebook.value("import subprocess; subprocess.check_output(['env', '-0'])").decode()
    seen = dict(line.split("=", 1) for line in said.split("\0") if line)
    assert {name: seen[name] for name in ORDERED} == ORDERED
    assert seen.keys() - ORDERED.keys() <= BY_IPYTHON


def test_an_executed_program_has_exactly_the_environment_that_was_ordered(nest: Nest) -> None:
    assert environ(nest.execute(environment=ORDERED).pid) == ORDERED


def test_a_kernels_clock_is_in_the_time_zone_that_was_ordered(nest: Nest) -> None:
    notebook = nest.fork(environment=ORDERED).notebook
    assert notebook.value("import time; time.tzname, time.timezone") == (("JST", "JST"), -32_400)


def test_secrets_of_whoever_starts_a_host_are_nowhere_in_it_nor_in_its_kernels(
    new_host: NewHost,
) -> None:
    host = new_host(environment=SECRETS | {"PATH": os.defpath, "LC_ALL": "C.UTF-8"})
    with closing(Nest(host)) as nest:
        plain = {"PATH": os.defpath}
        kernels = [nest.fork(environment=plain), nest.execute(environment=plain)]
        for pid in (host.process.pid, *(kernel.pid for kernel in kernels)):
            assert b"s3cret" not in Path(f"/proc/{pid}/environ").read_bytes()
            assert not SECRETS.keys() & environ(pid).keys()
        assert environ(host.process.pid) == {"PATH": os.defpath, "LC_ALL": "C.UTF-8"}
        seen = kernels[0].notebook.value("import os; list(os.environ.items())")
        assert "s3cret" not in str(seen)


def test_a_forked_kernel_works_in_the_folder_that_was_ordered(nest: Nest, tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("x = 41\n")
    notebook = nest.fork(working_dir=tmp_path).notebook
    assert notebook.value("import os; os.getcwd()") == str(tmp_path)
    assert notebook.value("import beside; beside.x") == 41


def test_an_executed_program_works_in_the_folder_that_was_ordered(
    nest: Nest, tmp_path: Path
) -> None:
    assert psutil.Process(nest.execute(working_dir=tmp_path).pid).cwd() == str(tmp_path)


@either
def test_limits_hold_as_ordered_and_cannot_be_raised(nest: Nest, fork: bool) -> None:
    kernel = started(nest, fork, limits={"nofile": 200, "cpu": 50, "core": 0})
    for number, most in (
        (resource.RLIMIT_NOFILE, 200),
        (resource.RLIMIT_CPU, 50),
        (resource.RLIMIT_CORE, 0),
    ):
        assert resource.prlimit(kernel.pid, number) == (most, most)
    other = resource.RLIMIT_STACK
    assert resource.prlimit(kernel.pid, other) == resource.prlimit(nest.host.process.pid, other)


def test_a_limit_is_felt_by_what_runs_in_the_kernel(nest: Nest) -> None:
    notebook = nest.fork(limits={"nofile": 100}).notebook
    said = notebook.run("files = [open('/dev/null') for _ in range(100)]")
    assert said.error.startswith("OSError: [Errno 24] Too many open files")


def test_a_limit_is_never_above_that_of_the_host(new_host: NewHost) -> None:
    host = new_host()
    most = (400, 400)
    resource.prlimit(host.process.pid, resource.RLIMIT_NOFILE, most)
    with closing(Nest(host)) as nest:
        for kernel in (nest.fork(limits={"nofile": 500}), nest.execute(limits={"nofile": 500})):
            assert resource.prlimit(kernel.pid, resource.RLIMIT_NOFILE) == most


@either
def test_files_of_a_kernel_are_for_its_user_alone(nest: Nest, fork: bool) -> None:
    status = Path(f"/proc/{started(nest, fork).pid}/status").read_text()
    assert "Umask:\t0077" in status.splitlines()


def test_an_executed_program_has_three_descriptors_and_none_of_the_host(nest: Nest) -> None:
    kernel = nest.execute()
    fds = Path(f"/proc/{kernel.pid}/fd")
    found = {link.name: os.readlink(link) for link in fds.iterdir()}
    assert found.keys() == {"0", "1", "2"}
    assert found["0"] == found["1"] == os.devnull
    assert found["2"].startswith("pipe:")


def test_a_forked_kernel_has_no_descriptor_of_the_host(nest: Nest) -> None:
    def inodes(pid: int) -> set[str]:
        """The pipes and sockets of a process."""
        links = {os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir()}
        return {link for link in links if link.startswith(("pipe:", "socket:"))}

    kernel = nest.fork()
    nest.execute()
    kernel.notebook.run("1")
    mine, of_host = inodes(kernel.pid), inodes(nest.host.process.pid)
    assert len(of_host) > 3
    assert len(mine & of_host) == 1  # its own stderr


def test_what_a_forked_kernel_reads_from_stdin_is_empty(nest: Nest) -> None:
    assert nest.fork().notebook.value("import os; os.read(0, 10)") == b""


def test_an_executed_program_handles_signals_as_it_would_anywhere(nest: Nest) -> None:
    assert {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT} & caught_or_ignored(nest) == set()


def test_an_executed_program_has_no_signal_ignored(nest: Nest) -> None:
    assert caught_or_ignored(nest) == set()


def caught_or_ignored(nest: Nest) -> set[int]:
    """The signals that do not do to an executed program what they do by default."""
    status = Path(f"/proc/{nest.execute().pid}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines())
    mask = int(fields["SigIgn"], 16) | int(fields["SigCgt"], 16) | int(fields["SigBlk"], 16)
    return {number for number in range(1, 65) if mask >> (number - 1) & 1}
