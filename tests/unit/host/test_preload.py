"""What is imported once for all kernels, and what is left out and why."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from kernels.host.preload import DEFAULT
from tests.unit.host import programs
from tests.unit.host.apart import run_apart
from tests.unit.host.conftest import NewHost
from tests.unit.host.nest import Nest
from tests.unit.host.peer import LIMIT

THREAD = "it starts a thread when it is imported"
#: A host whose modules are looked for in the folder of this program too.
PROGRAM = """
import sys
from kernels.host.__main__ import main
sys.exit(main())
"""
#: By their names, modules of all kinds.
MODULES = {
    "plain_one": "value = 41",
    "broken_one": "raise RuntimeError('this machine has no such card')",
    "torn_one": "def f(:",
    "threaded_one": """
        import threading, time
        threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
    """,
    "another_threaded_one": """
        import threading, time
        threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
    """,
    "briefly_threaded_one": """
        import threading, time
        threading.Thread(target=time.sleep, args=(0.03,), daemon=True).start()
    """,
    "needs_another": "import no_such_module_either",
}


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    """A folder with such modules, and a program beside them that is a host."""
    for name, source in MODULES.items():
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(source))
    (tmp_path / "host.py").write_text(PROGRAM)
    return tmp_path


def greeting(new_host: NewHost, modules: Path, *names: str) -> dict[str, Any]:
    """What a host says that was to preload modules."""
    host = new_host("--preload", ",".join(names), program=[str(modules / "host.py")])
    said = host.peer().greeting
    assert said["pid"] == host.process.pid
    return {"preloaded": said["preloaded"], "left_out": said["left_out"]}


def test_what_can_be_imported_is_preloaded_in_the_order_given(
    new_host: NewHost, modules: Path
) -> None:
    said = greeting(new_host, modules, "plain_one", " json", "", "briefly_threaded_one ")
    assert said == {"preloaded": ["plain_one", "json", "briefly_threaded_one"], "left_out": {}}


def test_a_preloaded_module_is_there_in_every_kernel(new_host: NewHost, modules: Path) -> None:
    host = new_host("--preload", "plain_one", program=[str(modules / "host.py")])
    with closing(Nest(host)) as nest:
        for kernel in (nest.fork(), nest.fork()):
            found = kernel.notebook.value("import sys; 'plain_one' in sys.modules")
            assert found is True
            assert kernel.notebook.run("plain_one").error.startswith("NameError")
            assert kernel.notebook.value("import plain_one; plain_one.value") == 41


def test_what_cannot_be_imported_is_left_out_with_its_error(
    new_host: NewHost, modules: Path
) -> None:
    names = ["no_such_module", "broken_one", "needs_another", "plain_one", "torn_one"]
    said = greeting(new_host, modules, *names)
    assert said["preloaded"] == ["plain_one"]
    assert said["left_out"].pop("torn_one").startswith("SyntaxError: invalid syntax")
    assert said["left_out"] == {
        "no_such_module": "ModuleNotFoundError: No module named 'no_such_module'",
        "broken_one": "RuntimeError: this machine has no such card",
        "needs_another": "ModuleNotFoundError: No module named 'no_such_module_either'",
    }


def test_modules_that_start_threads_are_left_out_and_the_host_begins_anew(
    new_host: NewHost, modules: Path
) -> None:
    names = ["plain_one", "threaded_one", "broken_one", "another_threaded_one"]
    said = greeting(new_host, modules, *names)
    assert said == {
        "preloaded": ["plain_one"],
        "left_out": {
            "threaded_one": THREAD,
            "another_threaded_one": THREAD,
            "broken_one": "RuntimeError: this machine has no such card",
        },
    }


def test_a_host_that_has_left_a_module_out_forks_kernels(new_host: NewHost, modules: Path) -> None:
    host = new_host("--preload", "threaded_one", program=[str(modules / "host.py")])
    with closing(Nest(host)) as nest:
        notebook = nest.fork().notebook
        assert notebook.value("import threading, threaded_one; threading.active_count()") > 1
        assert notebook.run("1+1").value == "2"


def test_a_module_that_leaves_a_thread_is_named(modules: Path) -> None:
    told = run_apart(programs.preloaded, ["plain_one", "threaded_one"], {}, str(modules))
    assert told == {"leaves_thread": "threaded_one"}


def test_a_module_that_was_left_out_before_is_not_imported_again(modules: Path) -> None:
    told = run_apart(
        programs.preloaded, ["threaded_one", "json"], {"threaded_one": "x"}, str(modules)
    )
    assert told["preloaded"] == ["json"]
    assert told["left_out"] == {"threaded_one": "x"}
    assert "threaded_one" not in told["imported"]


def test_of_what_is_preloaded_by_default_what_is_not_installed_goes_without_a_word() -> None:
    hidden = [*DEFAULT, "json"]
    told = run_apart(programs.preloaded, [*DEFAULT, "json", "math"], {}, "", hidden)
    assert told["preloaded"] == ["math"]
    assert list(told["left_out"]) == ["json"]


def test_libraries_for_linear_algebra_are_kept_to_one_thread() -> None:
    told = run_apart(programs.preloaded, [], {})
    assert told["one_thread"] == ["1", "1", "1"]


def test_a_program_that_begins_anew_is_told_what_to_leave_out(tmp_path: Path) -> None:
    program = tmp_path / "anew.py"
    program.write_text(
        "import os, sys\n"
        "from kernels.host.preload import start_over_without\n"
        "left_out = sys.argv.count('--left-out')\n"
        "if left_out < 2:\n"
        "    start_over_without(f'module{left_out}')\n"
        "print(os.getpid(), sys.argv[1:])\n"
    )
    command = [sys.executable, "-X", "dev", str(program), "--grace", "5"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        said, _ = process.communicate(timeout=LIMIT)
    left_out = ["--left-out", f"module0={THREAD}", "--left-out", f"module1={THREAD}"]
    assert said == f"{process.pid} {['--grace', '5', *left_out]}\n"
