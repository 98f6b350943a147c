"""What the user of a notebook expects of its cells: values, names, displays, errors, magics."""

from __future__ import annotations

import base64
import importlib.util
from pathlib import Path
from typing import Any

import pytest

from tests.live.conftest import eventually
from tests.live.host.session import Result, Session, plain_traceback

pytestmark = pytest.mark.any_database

CELLS_AND_VALUES: dict[str, tuple[list[str], Any]] = {
    "await": (["import asyncio", "await asyncio.sleep(0.01, 'slept')"], "slept"),
    "gather": (
        [
            "import asyncio\nasync def double(n):\n    await asyncio.sleep(0.01)\n    return 2 * n",
            "await asyncio.gather(double(1), double(2))",
        ],
        [2, 4],
    ),
    "async for": (
        [
            "async def count():\n    for n in range(3):\n        yield n",
            "seen = []\nasync for n in count():\n    seen.append(n)\nseen + [n async for n in count()]",
        ],
        [0, 1, 2, 0, 1, 2],
    ),
    "async with": (["import asyncio\nasync with asyncio.timeout(9):\n    kept = 1", "kept"], 1),
    "lines of a command": (["lines = !echo one; echo two", "list(lines)"], ["one", "two"]),
    "a command's code": (["!exit 3", "_exit_code"], 3),
    "a variable in a command": (["word = 'six'", "said = !echo {word} $word", "said[0]"], "six six"),
    "captured output": (["%%capture held\nprint('hidden')", "held.stdout"], "hidden\n"),
    "the last values": (["10", "20", "(_, __, _1, _2, _i1, Out[2])"], (20, 10, 10, 20, "10", 20)),
    "the cells": (["a = 1", "In"], ["", "a = 1", "In"]),
    "__name__": (["__name__"], "__main__"),
    "__main__": (["x = 7", "import __main__\n__main__.x"], 7),
    "a pickled object": (
        [
            "import dataclasses, pickle\n@dataclasses.dataclass\nclass Point:\n    x: int",
            "pickle.loads(pickle.dumps(Point(3))) == Point(3)",
        ],
        True,
    ),
    "a function's source": (
        ["def half(n):\n    return n / 2  # rounded nowhere", "import inspect\ninspect.getsource(half)"],
        "def half(n):\n    return n / 2  # rounded nowhere\n",
    ),
    "the type hints of a class": (
        ["class Leaf: pass\nclass Tree:\n    leaf: 'Leaf'", "import typing\ntyping.get_type_hints(Tree)['leaf'] is Leaf"],
        True,
    ),
    "arguments": (
        ["import argparse\nparser = argparse.ArgumentParser()\n_ = parser.add_argument('--n', default=5)", "parser.parse_args().n"],
        5,
    ),
    "the folder in the path": (["import sys\n'' in sys.path"], True),
}  # fmt: skip


@pytest.mark.parametrize(("cells", "value"), CELLS_AND_VALUES.values(), ids=CELLS_AND_VALUES.keys())
def test_the_last_expression_has_the_value_that_it_should(
    session: Session, cells: list[str], value: object
) -> None:
    assert session.value(*cells) == value


def test_a_new_session_has_no_past(session: Session) -> None:
    code = "In, Out, _, __, ___"
    assert session.value(code) == (["", code], {}, "", "", "")


def test_a_new_session_has_no_names_but_the_shells_own(session: Session) -> None:
    assert session.succeed("%who")["output"] == "Interactive namespace is empty.\n"
    names = session.value("[name for name in globals() if not name.startswith('_')]")
    assert {*names} <= {"In", "Out", "exit", "quit", "get_ipython", "open"}


def test_cells_are_counted_from_one_whether_they_succeed_or_not(session: Session) -> None:
    cells = ["1", "x = 2", "1 / 0", "print(3)", "def", "%who", "'last'"]
    counts = [session.run(code)["execution_count"] for code in cells]
    assert counts == [1, 2, 3, 4, 5, 6, 7]


def test_a_session_that_is_restarted_begins_again(session: Session) -> None:
    session.succeed("x = 1", "x")
    session.restart()
    assert session.run("'x' in globals(), len(In)")["return_value"] == "(False, 2)"
    assert session.run("2")["execution_count"] == 2


MAGICS = {
    "timeit": ("%timeit -n1 -r1 pass", "per loop"),
    "time": ("%time _ = 1 + 1", "Wall time"),
    "time of a cell": ("%%time\nx = 1", "Wall time"),
    "pip": ("%pip --version", "pip "),
    "who": ("%who", "kept"),
}


@pytest.mark.parametrize(("code", "text"), MAGICS.values(), ids=MAGICS.keys())
def test_magics_put_out_what_they_do(session: Session, code: str, text: str) -> None:
    assert text in session.succeed("kept = 1", code)["output"]


def test_a_module_that_the_user_writes_may_have_a_name_of_ours(session: Session) -> None:
    ours = ("kernels", "host", "sessions_app", "kernelbox_site", "tests", "manage")
    session.succeed("from pathlib import Path\nimport os")
    for name in ours:
        session.succeed(f"Path('{name}.py').write_text('answer = \"{name}\"')")
        try:
            assert session.value(f"import {name}\n{name}.answer, {name}.__file__ == os.path.abspath('{name}.py')") == (name, True)  # fmt: skip
        finally:
            session.succeed(f"Path('{name}.py').unlink()")


# -- displays ------------------------------------------------------------------------------------

REPRESENTATIONS = {
    "text/html": ("_repr_html_", "<b>bold</b>"),
    "text/markdown": ("_repr_markdown_", "**bold**"),
    "image/svg+xml": ("_repr_svg_", "<svg/>"),
    "text/latex": ("_repr_latex_", "$x$"),
}


@pytest.mark.parametrize(("mime", "method_and_text"), REPRESENTATIONS.items())
def test_an_object_is_shown_as_it_wants_to_be(
    session: Session, mime: str, method_and_text: tuple[str, str]
) -> None:
    method, text = method_and_text
    session.succeed(f"class Rich:\n    def {method}(self): return {text!r}")
    [value] = session.succeed("Rich()")["outputs"]
    [shown] = session.succeed("display(Rich())")["outputs"]
    assert (value["kind"], shown["kind"]) == ("execute_result", "display_data")
    assert (value["data"][mime], shown["data"][mime]) == (text, text)


def kinds_and_texts(result: Result) -> list[tuple[str, str]]:
    """What a result puts out, in short."""
    return [(item["kind"], item["text"]) for item in result["outputs"]]


def test_a_display_is_updated_in_its_own_cell_and_from_a_later_one(session: Session) -> None:
    first = session.succeed("shown = display(1, display_id=True)\nshown.update(2)")
    assert kinds_and_texts(first) == [("display_data", "2")]
    assert kinds_and_texts(session.succeed("shown.update(3)")) == [("update_display_data", "3")]


@pytest.mark.parametrize("wait", [False, True])
def test_output_that_is_cleared_is_gone(session: Session, wait: bool) -> None:
    session.succeed("from IPython.display import clear_output")
    result = session.succeed(f"print(1)\ndisplay(2)\nclear_output(wait={wait})\nprint(3)")
    assert kinds_and_texts(result) == [("stream", "3\n")]


PLOTS = {"shown": "plt.plot([1, 2])\nplt.show()", "last line": "plt.plot([1, 2])"}


@pytest.mark.skipif(
    importlib.util.find_spec("matplotlib") is None, reason="matplotlib is not installed"
)
@pytest.mark.parametrize("code", PLOTS.values(), ids=PLOTS.keys())
def test_a_plot_comes_out_once_as_a_picture(session: Session, code: str) -> None:
    session.succeed("import matplotlib.pyplot as plt")
    for _ in range(2):
        outputs = session.succeed(code)["outputs"]
        [picture] = [item for item in outputs if item["kind"] == "display_data"]
        assert base64.b64decode(picture["data"]["image/png"]).startswith(b"\x89PNG")
    assert session.succeed("x = 1")["outputs"] == []


# -- errors and ends -----------------------------------------------------------------------------

ERRORS = {
    "input": ("input('name? ')", "StdinNotImplementedError", "does not support input"),
    "getpass": ("import getpass\ngetpass.getpass()", "StdinNotImplementedError", "does not support input"),
    "syntax": ("x = = 1", "SyntaxError", "invalid syntax"),
    "indentation": ("if x:\nprint(1)", "IndentationError", "expected an indented block"),
    "SystemExit": ("raise SystemExit", "SystemExit", ""),
    "sys.exit": ("import sys\nsys.exit(1)", "SystemExit", "1"),
    "no file": ("__file__", "NameError", "__file__"),
    "an error in an await": ("import asyncio\nawait asyncio.wait_for(asyncio.sleep(9), 0.01)", "TimeoutError", ""),
    "a group": ("raise ExceptionGroup('many', [ValueError(1)])", "ExceptionGroup", "many"),
    "a chain": ("try: 1 / 0\nexcept ZeroDivisionError as error: raise KeyError('other') from error", "KeyError", "other"),
}  # fmt: skip


@pytest.mark.parametrize(("code", "ename", "evalue"), ERRORS.values(), ids=ERRORS.keys())
def test_an_error_is_told_and_the_session_goes_on(
    session: Session, code: str, ename: str, evalue: str
) -> None:
    error = session.fail("x = 5", code)
    assert error["ename"] == ename
    assert evalue in error["evalue"]
    assert session.value("x") == 5


def test_a_traceback_shows_the_lines_of_every_cell_it_went_through(session: Session) -> None:
    defined = "def inner(n):\n    return 1 / n  # of the first cell"
    text = plain_traceback(session.fail(defined, "y = 0\ninner(y)  # of the second cell"))
    assert "1 / n  # of the first cell" in text
    assert "inner(y)  # of the second cell" in text
    assert text.index("second cell") < text.index("first cell")
    assert "ZeroDivisionError: division by zero" in text


def test_a_syntax_error_points_at_its_place(session: Session) -> None:
    text = plain_traceback(session.fail("good = 1\nbad = = 2"))
    assert "bad = = 2" in text
    assert "^" in text


@pytest.mark.parametrize("code", ["exit()", "quit()", "exit"])
def test_leaving_does_not_pull_the_kernel_from_under_the_cells_after_it(
    session: Session, code: str
) -> None:
    session.succeed("x = 5", code)
    there = True
    for _ in range(3):
        after = session.run("import asyncio\nawait asyncio.sleep(0.2)\n'x' in globals()")
        there = there and not after["state_lost"]
        assert (after["status"], after["return_value"]) == ("success", str(there))


def test_a_kernel_that_ends_itself_is_dead_and_the_next_cell_has_a_fresh_one(
    session: Session,
) -> None:
    code = "import os, time\nx = 1\nprint('last words', flush=True)\ntime.sleep(0.1)\nos._exit(3)"
    result = session.run(code)
    assert (result["status"], result["state_lost"]) == ("dead", True)
    assert "code 3" in result["error"]["evalue"]
    assert result["output"] == "last words\n"
    after = session.run("x")
    assert (after["error"]["ename"], after["execution_count"]) == ("NameError", 1)
    assert after["state_lost"] is True
    assert "code 3" in after["state_lost_reason"]
    assert session.run("2")["state_lost"] is False


def test_a_background_task_goes_on_while_no_cell_runs(session: Session, tmp_path: Path) -> None:
    ticked = tmp_path / "ticked"
    session.succeed(
        "import asyncio, pathlib\nticks = 0\n"
        "async def tick():\n    global ticks\n    for _ in range(5):\n        await asyncio.sleep(0.01)\n"
        f"        ticks += 1\n    pathlib.Path({str(ticked)!r}).touch()\n    return 'ended'\n"
        "task = asyncio.create_task(tick())"
    )
    eventually(ticked.exists)
    assert session.value("ticks, await task") == (5, "ended")
