"""What cells do with the machine: streams, threads, processes, signals, and the environment."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.live.conftest import eventually
from tests.live.host.processes import HOST
from tests.live.host.session import Result, Session

pytestmark = pytest.mark.any_database

#: What names of the server's environment begin with, none of which a kernel may see.
PRIVATE = ("KERNELBOX_", "DJANGO_", "DATABASE_URL")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A server with something to hide, which cuts no output."""
    database = tmp_path_factory.mktemp("database") / "db.sqlite3"
    return {
        "DATABASE_URL": f"sqlite:///{database}",
        "DJANGO_SECRET": "told to nobody",
        "KERNELBOX_OUTPUT_CHAR_LIMIT": "0",
    }


FORK = "import multiprocessing\nfork = multiprocessing.get_context('fork')\n"

OUTPUTS = {
    "!": ("!echo out", "out\n", ""),
    "! to stderr": ("!echo err >&2", "err\n", ""),
    "bash": ("%%bash\necho out\necho err >&2", "out\n", "err\n"),
    "os.write": ("import os\n_ = os.write(1, b'out\\n'), os.write(2, b'err\\n')", "out\n", "err\n"),
    "os.system": ("import os\n_ = os.system('echo out; echo err >&2')", "out\n", "err\n"),
    "subprocess": ("import subprocess\n_ = subprocess.run('echo out; echo err >&2', shell=True)", "out\n", "err\n"),
    "sys.__stdout__": ("import sys\nprint('out', file=sys.__stdout__, flush=True)", "out\n", ""),
    "Process": (FORK + "p = fork.Process(target=print, args=('out',))\np.start(); p.join()", "out\n", ""),
    "Pool": (FORK + "with fork.Pool(1) as pool: pool.map(print, ['a', 'b', 'c'])", "a\nb\nc\n", ""),
    "os.fork": ("import os\nif (pid := os.fork()) == 0:\n    print('out', flush=True)\n    os._exit(0)\n_ = os.waitpid(pid, 0)", "out\n", ""),
    "logging": ("import logging\nlogging.warning('careful')\nlogging.info('not told')", "", "WARNING:root:careful\n"),
    "logging.basicConfig": ("import logging\nlogging.basicConfig(force=True, level=logging.INFO)\nlogging.info('told')", "", "INFO:root:told\n"),
    "a logger": ("import logging\nlogging.getLogger('mine').error('bad')", "", "bad\n"),
    "redirected": ("import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()) as held: print(1)\nprint(repr(held.getvalue()))", "'1\\n'\n", ""),
}  # fmt: skip


@pytest.mark.parametrize(("code", "stdout", "stderr"), OUTPUTS.values(), ids=OUTPUTS.keys())
def test_all_output_arrives_on_its_stream(
    session: Session, code: str, stdout: str, stderr: str
) -> None:
    session.succeed("1")
    for _ in range(3):  # whatever came late would come with the next
        result = session.succeed(code)
        said = result["output"].replace("\r\n", "\n")  # commands have a terminal
        assert (said, result["stderr"]) == (stdout, stderr)


def test_a_warning_goes_to_stderr_each_time_a_cell_gives_it(session: Session) -> None:
    session.succeed("import warnings")
    for text in ("careful", "again"):
        result = session.succeed(f"warnings.warn('{text}')")
        assert f"UserWarning: {text}\n  warnings.warn('{text}')" in result["stderr"]
        assert result["output"] == ""


def test_a_stream_that_was_kept_writes_into_the_cell_that_uses_it(session: Session) -> None:
    session.succeed("import logging, sys\nkept = sys.stdout\nlogging.basicConfig(force=True)")
    result = session.succeed("print('later', file=kept)\nlogging.warning('later')")
    assert (result["output"], result["stderr"]) == ("later\n", "WARNING:root:later\n")


def test_all_that_threads_print_is_there_when_they_are_joined(session: Session) -> None:
    output = session.succeed(
        "import threading\n"
        "def say(n):\n    for i in range(100): print(f'<{n}-{i}>')\n"
        "threads = [threading.Thread(target=say, args=(n,)) for n in range(8)]\n"
        "for thread in threads: thread.start()\nfor thread in threads: thread.join()"
    )["output"]
    said = re.findall(r"<(\d)-(\d+)>", output)
    for n in range(8):
        assert [i for thread, i in said if thread == str(n)] == [str(i) for i in range(100)]
    assert len(said) == output.count("\n") == 800


def test_all_that_processes_print_is_there_when_they_are_joined(session: Session) -> None:
    output = session.succeed(
        FORK + "def say(n):\n    for i in range(100): print(f'<{n}-{i}>', flush=True)\n"
        "processes = [fork.Process(target=say, args=(n,)) for n in range(4)]\n"
        "for process in processes: process.start()\nfor process in processes: process.join()"
    )["output"]
    said = re.findall(r"<(\d)-(\d+)>", output)
    for n in range(4):
        assert [i for process, i in said if process == str(n)] == [str(i) for i in range(100)]


def test_processes_may_be_forked_while_a_thread_prints(session: Session) -> None:
    output = session.succeed(
        FORK + "import threading\nstop = threading.Event()\n"
        "def chatter():\n    while not stop.is_set(): print('.', end='')\n"
        "thread = threading.Thread(target=chatter)\nthread.start()\n"
        "for n in range(20):\n    p = fork.Process(target=print, args=(f'<{n}>',))\n"
        "    p.start(); p.join(5); assert p.exitcode == 0, p\n"
        "stop.set(); thread.join()"
    )["output"]
    assert re.findall(r"<(\d+)>", output) == [str(n) for n in range(20)]


SQUARE = "def square(n): return n * n"
WORKERS: dict[str, tuple[list[str], Any]] = {
    "Pool": ([SQUARE, FORK + "with fork.Pool(2) as pool: found = pool.map(square, range(5))\nfound"], [0, 1, 4, 9, 16]),
    "Queue": ([FORK + "queue = fork.Queue()\np = fork.Process(target=queue.put, args=(7,))\np.start(); found = queue.get(timeout=9); p.join()\nfound, p.exitcode"], (7, 0)),
    "ProcessPoolExecutor": (
        [SQUARE, FORK + "import concurrent.futures\nwith concurrent.futures.ProcessPoolExecutor(2, mp_context=fork) as pool: found = list(pool.map(square, range(5)))\nfound"],
        [0, 1, 4, 9, 16],
    ),
    "ThreadPoolExecutor": ([SQUARE, "import concurrent.futures\nwith concurrent.futures.ThreadPoolExecutor(2) as pool: found = list(pool.map(square, range(5)))\nfound"], [0, 1, 4, 9, 16]),
    "to_thread": ([SQUARE, "import asyncio\nawait asyncio.to_thread(square, 3)"], 9),
    "spawn": (["import multiprocessing\nspawn = multiprocessing.get_context('spawn')\nwith spawn.Pool(1) as pool: found = pool.map(abs, [-1, -2])\nfound"], [1, 2]),
    "an error of a worker": ([FORK + "with fork.Pool(1) as pool:\n    try: pool.map(int, ['x'])\n    except ValueError as error: found = str(error)\nfound"], "invalid literal for int() with base 10: 'x'"),
    "a captured process": (["import subprocess\nsubprocess.run(['echo', 'child'], capture_output=True, text=True).stdout"], "child\n"),
    "an asynchronous process": (["import asyncio\np = await asyncio.create_subprocess_exec('echo', 'child', stdout=-1)\n(await p.communicate())[0], p.returncode"], (b"child\n", 0)),
    "the code of a process": (["import subprocess\nsubprocess.run(['sh', '-c', 'exit 5']).returncode"], 5),
    "what a process is sent": (["import subprocess\nsubprocess.run(['cat'], input=b'in', capture_output=True).stdout"], b"in"),
    "an empty stdin": (["import subprocess\nsubprocess.run(['cat'], capture_output=True, timeout=9).stdout"], b""),
    "SIGCHLD": (["import signal\nsignal.getsignal(signal.SIGCHLD) is signal.SIG_DFL"], True),
    "SIGINT": (["import signal\ntry: signal.raise_signal(signal.SIGINT)\nexcept KeyboardInterrupt: found = 'caught'\nfound"], "caught"),
    "a handler of SIGINT": (["import signal\ncame = []\nold = signal.signal(signal.SIGINT, lambda *_: came.append(1))\nsignal.raise_signal(signal.SIGINT)\n_ = signal.signal(signal.SIGINT, old)\ncame"], [1]),
    "SIGTERM in a process": (["import subprocess\np = subprocess.Popen(['sleep', '60'])\np.terminate(); p.wait()"], -15),
    "no signal blocked": (["import signal\nlen(signal.pthread_sigmask(signal.SIG_BLOCK, []))"], 0),
    "an alarm": (["import signal\nrung = []\n_ = signal.signal(signal.SIGALRM, lambda *_: rung.append(1))\nsignal.setitimer(signal.ITIMER_REAL, 0.01)\nsignal.pause(); rung"], [1]),
    "the collector is on": (["import gc\ngc.isenabled()"], True),
    "the main thread": (["import threading\nthreading.current_thread() is threading.main_thread()"], True),
}  # fmt: skip


@pytest.mark.parametrize(("cells", "value"), WORKERS.values(), ids=WORKERS.keys())
def test_workers_give_their_results_and_the_kernel_is_an_ordinary_process(
    session: Session, cells: list[str], value: object
) -> None:
    assert session.value(*cells) == value


# -- interrupts and limits -----------------------------------------------------------------------

LONG = {
    "a busy loop": "while True: pass",
    "an await": "await asyncio.sleep(60)",
    "a sleep": "time.sleep(60)",
    "a join": "threading.Event().wait(60)",
    "a process": "subprocess.run(['sleep', '60'])",
}
SOON = 2.0


@pytest.fixture
def begin(session: Session, tmp_path: Path) -> Callable[[str], str]:
    """Makes a cell say by a file, ``begun``, that it has got as far as the code given."""
    session.succeed("import asyncio, pathlib, subprocess, threading, time\nkept = 'still here'")
    return lambda code: f"pathlib.Path({str(tmp_path / 'begun')!r}).touch()\nprint('begun')\n{code}"


def interrupted(session: Session, begun: Path, code: str) -> tuple[Result, float]:
    """Run a cell, interrupt it once it has begun, and tell what it came to and how soon."""
    begun.unlink(missing_ok=True)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(session.run, code)
        eventually(begun.exists)
        asked = time.monotonic()
        assert session.interrupt() is True
        return running.result(20), time.monotonic() - asked


@pytest.mark.parametrize("code", LONG.values(), ids=LONG.keys())
def test_an_interrupt_ends_the_cell_soon_and_leaves_the_variables(
    session: Session, begin: Callable[[str], str], tmp_path: Path, code: str
) -> None:
    for _ in range(2):  # the second time as the first
        result, took = interrupted(session, tmp_path / "begun", begin(code))
        assert (result["status"], result["output"]) == ("interrupted", "begun\n")
        assert result["state_lost"] is False
        assert took < SOON
        assert session.value("kept") == "still here"


@pytest.mark.parametrize("code", LONG.values(), ids=LONG.keys())
def test_a_limit_ends_the_cell_soon_and_leaves_the_variables(
    session: Session, begin: Callable[[str], str], code: str
) -> None:
    result = session.run(begin(code), timeout=0.5)
    assert (result["status"], result["output"]) == ("timeout", "begun\n")
    assert (result["error"]["ename"], result["state_lost"]) == ("ExecutionTimeout", False)
    assert result["duration_ms"] < 1000 * (0.5 + SOON)
    assert session.value("kept") == "still here"


def test_code_may_catch_its_interrupt(
    session: Session, begin: Callable[[str], str], tmp_path: Path
) -> None:
    code = begin("try: time.sleep(60)\nexcept KeyboardInterrupt: print('caught')\n'went on'")
    result, _ = interrupted(session, tmp_path / "begun", code)
    assert (result["status"], result["output"]) == ("success", "begun\ncaught\n")
    assert result["return_value"] == "'went on'"


# -- the environment -----------------------------------------------------------------------------


def test_a_kernel_sees_no_setting_of_the_server(session: Session) -> None:
    names = session.value(
        "import os, pathlib\n"
        "initial = pathlib.Path('/proc/self/environ').read_text().split('\\0')\n"
        "[*os.environ, *(line.partition('=')[0] for line in initial)]"
    )
    assert names.count("PATH") == 2
    assert [name for name in names if name.startswith(PRIVATE)] == []


def test_nor_does_the_host_that_forked_it(session: Session) -> None:
    parent = psutil.Process(session.value("import os\nos.getppid()"))
    if HOST not in parent.cmdline():
        pytest.skip("the kernel was not forked by a kernel host")
    names = parent.environ()
    assert "PATH" in names
    assert [name for name in names if name.startswith(PRIVATE)] == []
