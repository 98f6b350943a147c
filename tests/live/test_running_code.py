"""What code can do in a session, and what of it comes back."""

from __future__ import annotations

import base64

import httpx

from tests.live.conftest import Run

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def test_variables_imports_and_functions_stay(run: Run) -> None:
    run("import math\ndef area(r): return math.pi * r * r\nradius = 2")
    assert run("round(area(radius), 3)")["return_value"] == "12.566"


def test_sessions_do_not_share_variables(run: Run) -> None:
    run("secret = 1", session="one")
    assert run("secret", session="two")["error"]["ename"] == "NameError"


def test_stdout_and_stderr_are_told_apart_and_kept_in_order(run: Run) -> None:
    result = run(
        "import sys\nprint('a'); print('b', file=sys.stderr)\n"
        "sys.stdout.flush(); sys.stderr.flush(); print('c')"
    )
    assert (result["output"], result["stderr"]) == ("a\nc\n", "b\n")


def test_an_exception_is_no_http_error_and_tells_where_it_was(run: Run) -> None:
    result = run("def f():\n    return 1 / 0\nf()")
    assert result["status"] == "error"
    assert result["error"]["ename"] == "ZeroDivisionError"
    assert result["error"]["evalue"] == "division by zero"
    assert any("return" in line for line in result["error"]["traceback"])


def test_an_image_comes_back_as_base64_png(run: Run) -> None:
    result = run(
        "import base64\nfrom IPython.display import Image, display\n"
        f"display(Image(base64.b64decode('{PIXEL}'), format='png'))"
    )
    [item] = result["outputs"]
    assert item["kind"] == "display_data"
    assert base64.b64decode(item["data"]["image/png"]).startswith(b"\x89PNG")


def test_html_of_the_last_value_comes_back_beside_its_text(run: Run) -> None:
    result = run(
        "class Table:\n    def _repr_html_(self): return '<table></table>'\n"
        "    def __repr__(self): return 'a table'\nTable()"
    )
    assert result["return_value"] == "a table"
    assert result["outputs"][-1]["data"]["text/html"] == "<table></table>"


def test_a_display_that_is_updated_and_one_that_is_cleared(run: Run) -> None:
    result = run(
        "from IPython.display import clear_output, display\nprint('gone')\nclear_output()\n"
        "h = display('first', display_id=True)\nh.update('second')"
    )
    assert result["output"] == ""
    assert [item["text"] for item in result["outputs"]] == ["'second'"]


def test_bash_runs_in_the_session(run: Run) -> None:
    run("x = 1")
    assert run("echo $((6 * 7))", language="bash")["output"] == "42\n"
    failed = run("echo before; exit 3", language="bash")
    assert (failed["status"], failed["output"]) == ("error", "before\n")
    assert failed["error"]["ename"] == "CalledProcessError"
    assert run("x")["return_value"] == "1"


def test_top_level_await_shell_escapes_threads_and_subprocesses_work(run: Run) -> None:
    assert run("import asyncio\nawait asyncio.sleep(0.01)\n'done'")["return_value"] == "'done'"
    assert "hello" in run("!echo hello")["output"]
    code = "import threading\nt = threading.Thread(target=print, args=('thread',))\nt.start(); t.join()"
    assert run(code)["output"] == "thread\n"
    code = "import subprocess\nsubprocess.run(['echo', 'child'], capture_output=True).stdout"
    assert run(code)["return_value"] == "b'child\\n'"


def test_input_is_refused_with_an_error(run: Run) -> None:
    assert run("input('name? ')")["error"]["ename"] == "StdinNotImplementedError"


def test_a_syntax_error_and_a_system_exit_end_the_execution_alone(run: Run) -> None:
    run("x = 5")
    assert run("def")["error"]["ename"] == "SyntaxError"
    assert run("raise SystemExit(3)")["status"] == "error"
    assert run("x")["return_value"] == "5"


def test_text_of_every_kind_comes_back_as_it_was(run: Run, client: httpx.Client) -> None:
    text = "nul \0, euro €, clef 𝄞, escape \x1b[1m, return \r"
    result = run(f"print({text!r})")
    assert result["output"] == text + "\n"
    stored = client.get(f"/executions/{result['execution_id']}").json()["output"]
    assert stored == result["output"].replace("\0", "\N{SYMBOL FOR NULL}")


def test_a_lone_surrogate_and_bytes_that_are_no_text_do_no_harm(run: Run) -> None:
    assert run("print(repr('\\ud800'))")["output"] == "'\\ud800'\n"
    assert run("'\\ud800'")["return_value"] == "'\\ud800'"
    result = run("import os\n_ = os.write(1, bytes(range(256)))\nimport sys; sys.stdout.flush()")
    assert result["status"] == "success"
    assert run("1 + 1")["return_value"] == "2"


def test_the_servers_secrets_are_not_in_a_kernels_environment(run: Run) -> None:
    names = run("import os\nsorted(n for n in os.environ if 'KERNELBOX' in n or 'DJANGO' in n)")
    assert names["return_value"] == "[]"


def test_a_result_is_in_the_history_before_it_is_answered(run: Run, client: httpx.Client) -> None:
    result = run("print('kept')\n6 * 7")
    stored = client.get(f"/executions/{result['execution_id']}").json()
    assert {name: stored[name] for name in result if name != "execution_id"} == {
        name: value for name, value in result.items() if name != "execution_id"
    }
    assert (stored["code"], stored["session_name"]) == ("print('kept')\n6 * 7", "demo")
