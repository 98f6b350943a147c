"""Kernels that put out more than anybody wants: memory stays bounded, others do not notice."""

from __future__ import annotations

import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from tests.live.conftest import Run
from tests.server import Server

pytestmark = pytest.mark.any_database

MIB = 1024 * 1024
#: Seconds of the flood here; benchmarks/flood.py runs the long one.
FLOOD = 4
FLOODING = f"""
import time
end = time.time() + {FLOOD}
chunk = "x" * 99_999 + chr(10)
total = 0
while time.time() < end:
    print(chunk, end="")
    total += len(chunk)
    time.sleep(0.01)
"""

BIG = {
    "one line of 100 MB": ("print('x' * 100_000_000)", 100_000_001),
    "100,000 small prints": ("for i in range(100_000): print('0123456789')", 1_100_000),
}


@pytest.mark.parametrize(("code", "total"), BIG.values(), ids=BIG.keys())
def test_a_stream_keeps_its_head_and_its_tail_and_says_how_much_is_missing(
    run: Run, code: str, total: int
) -> None:
    result = run(code)
    assert (result["status"], result["truncated"]) == ("success", True)
    assert len(result["output"]) <= 10_000
    head, _, rest = result["output"].partition("\n...[")
    missing, _, tail = rest.partition(" characters truncated by kernelbox]...\n")
    assert len(head) + len(tail) + int(missing) == total
    assert len(head) > 4_000
    assert len(tail) > 4_000


def test_a_thousand_displays_are_kept_and_the_rest_counted(run: Run) -> None:
    result = run("from IPython.display import display\nfor i in range(3_000): display(i)")
    assert result["truncated"] is True
    assert len(result["outputs"]) == 1_001
    assert result["outputs"][-1]["text"] == "[2000 more displays left out by kernelbox]"


def test_rich_data_and_tracebacks_have_a_limit_too(run: Run) -> None:
    result = run(
        "class Big:\n    def _repr_html_(self): return 'x' * 20_000_000\n"
        "    def __repr__(self): return 'big'\nBig()"
    )
    assert result["return_value"] == "big"
    assert "text/html" not in result["outputs"][0]["data"]
    assert result["truncated"] is True
    failed = run("raise ValueError('x' * 50_000_000)")
    assert len(failed["error"]["evalue"]) <= 10_000
    assert sum(map(len, failed["error"]["traceback"])) <= 100_000


def test_a_flood_leaves_memory_bounded_and_other_sessions_quick(server: Server, run: Run) -> None:
    for session in ("flood", "quiet"):
        run("1", session=session)
    process = psutil.Process(server.process.pid)
    with ThreadPoolExecutor(1) as pool:
        before = process.memory_info().rss
        flood = pool.submit(run, FLOODING + "total", session="flood", timeout=60)
        most, took = before, []
        while not flood.done():
            begun = time.monotonic()
            assert run("1 + 1", session="quiet")["return_value"] == "2"
            took.append(time.monotonic() - begun)
            most = max(most, process.memory_info().rss)
        result = flood.result()
    assert int(result["return_value"]) > FLOOD * 2 * MIB
    assert result["truncated"] is True
    assert most - before < 64 * MIB
    assert statistics.median(took) < 0.25
