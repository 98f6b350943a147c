"""All output of a cell comes, within the cell, in the order in which it was put out."""

from __future__ import annotations

import json
import os
import random
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import ClientConnection

from tests.live.host.cells import FILL, SETUP, Cell, displays_in, make_cell, marks_in
from tests.live.host.session import Result, Session
from tests.live.websocket.talk import hear_until, open_socket, say
from tests.server import Server

pytestmark = pytest.mark.any_database

CELLS = 200
#: Another one every time; a failure says which, and KERNELBOX_TEST_SEED runs it again.
SEED = int(os.environ.get("KERNELBOX_TEST_SEED") or random.SystemRandom().randrange(2**32))
STREAMS = ("stdout", "stderr")
DISPLAYS = ("display_data", "execute_result")
SMALL = 10_000
#: Seconds for output to be told while its cell runs.
SOON = 1.0

Ran = list[tuple[Cell, Result]]


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    """A server that cuts no output."""
    return {"KERNELBOX_OUTPUT_CHAR_LIMIT": "0"}


# -- cells made by chance ------------------------------------------------------------------------


@pytest.fixture(scope="module", params=[1, 4], ids=["one session", "four sessions at once"])
def ran(request: pytest.FixtureRequest, client: httpx.Client) -> Ran:
    """The cells, spread over some sessions, and what came of each."""
    sessions = [Session(client, f"order-{request.param}-{n}") for n in range(request.param)]
    chance = random.Random(SEED)
    cells = [make_cell(number, chance) for number in range(CELLS)]
    shares = [[*cells[n :: len(sessions)], Cell("pass", ())] for n in range(len(sessions))]

    def run_share(session: Session, share: list[Cell]) -> Ran:
        session.succeed(SETUP)
        return [(cell, session.run(cell.code)) for cell in share]

    with ThreadPoolExecutor(len(sessions)) as pool:
        found = [pair for pairs in pool.map(run_share, sessions, shares) for pair in pairs]
        list(pool.map(Session.destroy, sessions))
    return found


def assert_each(
    ran: Ran, expected: Callable[[Cell], object], came: Callable[[Result], object]
) -> None:
    """Every cell came to what is expected of it; the message has what runs a failure again."""
    wrong = [
        (cell.code, expected(cell), came(result))
        for cell, result in ran
        if came(result) != expected(cell)
    ]
    if wrong:
        code, wanted, found = wrong[0]
        told = (
            f"KERNELBOX_TEST_SEED={SEED}: {len(wrong)} of {len(ran)} cells, the first of them\n"
            f"{code}\nshould come to\n{wanted!r}\nand came to\n{found!r}"
        )
        pytest.fail(re.sub(f"{FILL}{{40,}}", shorter, told), pytrace=False)


def shorter(long: re.Match[str]) -> str:
    """What stands in a message for a long piece of text."""
    return f"({len(long[0])} times {FILL})"


def test_every_cell_succeeds(ran: Ran) -> None:
    assert_each(ran, lambda cell: ("success", False), lambda r: (r["status"], r["truncated"]))


def test_nothing_is_missing_and_nothing_of_another_cell_came(ran: Ran) -> None:
    everywhere = (*STREAMS, *DISPLAYS)
    assert_each(
        ran,
        lambda cell: sorted(cell.marks(*everywhere, by_python=False)),
        lambda result: sorted(marks_in(result, *everywhere)),
    )


@pytest.mark.parametrize("stream", STREAMS)
def test_the_text_of_a_stream_is_what_was_written_whoever_wrote_it(ran: Ran, stream: str) -> None:
    field = {"stdout": "output", "stderr": "stderr"}[stream]
    assert_each(ran, lambda cell: cell.text(stream), lambda result: result[field])


def test_displays_and_the_value_come_in_order(ran: Ran) -> None:
    assert_each(ran, Cell.displays, lambda result: [*displays_in(result)])


@pytest.mark.parametrize("streams", [*((one,) for one in STREAMS), STREAMS], ids=" and ".join)
def test_what_python_puts_out_keeps_its_order_among_displays_and(
    ran: Ran, streams: tuple[str, ...]
) -> None:
    by_python = {mark for cell, _ in ran for mark in cell.marks(*STREAMS, *DISPLAYS)}
    assert_each(
        ran,
        lambda cell: cell.marks(*streams, *DISPLAYS),
        lambda result: [m for m in marks_in(result, *streams, *DISPLAYS) if m in by_python],
    )


# -- much, and at the edge -----------------------------------------------------------------------

MANY = {
    "on one stream": "for n in range(10_000): print(n)",
    "on two streams": "for n in range(10_000): print(n, file=(sys.stdout, sys.stderr)[n % 2])",
    "flushed": "for n in range(10_000): print(n, flush=n % 10 == 0)",
    "past Python": "for n in range(10_000): os.write(1, b'%d\\n' % n)",
    "by a child": "_ = subprocess.run(['seq', '0', '9999'])",
    "by a thread": "t = threading.Thread(target=lambda: [print(n) for n in range(10_000)])\nt.start(); t.join()",
}  # fmt: skip


@pytest.mark.parametrize("code", MANY.values(), ids=MANY.keys())
def test_ten_thousand_small_prints_all_come_in_order(session: Session, code: str) -> None:
    result = session.succeed(SETUP, code)
    lines = [result["output"].splitlines(), result["stderr"].splitlines()]
    wanted = [str(n) for n in range(SMALL)]
    halves = [wanted[::2], wanted[1::2]] if lines[1] else [wanted, []]
    assert lines == halves
    assert result["truncated"] is False


def test_no_character_is_torn_however_its_bytes_come(session: Session) -> None:
    child = "_ = subprocess.run([sys.executable, '-c', 'print(\"é€𝄞\" * 50_000)'])"
    assert session.succeed(SETUP, child)["output"] == "é€𝄞" * 50_000 + "\n"
    halves = "for byte in 'é€𝄞'.encode(): os.write(1, bytes([byte])); sys.stdout.flush()"
    assert session.succeed(halves)["output"] == "é€𝄞"


LAST_WORDS = {
    "print": "print('last')",
    "print without an end": "print('last\\n', end='')",
    "os.write": "os.write(1, b'last\\n')",
    "a child": "subprocess.run(['echo', 'last'])",
    "a thread": "t = threading.Thread(target=print, args=('last',)); t.start(); t.join()",
}


@pytest.mark.parametrize("code", LAST_WORDS.values(), ids=LAST_WORDS.keys())
def test_what_is_put_out_just_before_an_error_comes_before_it(session: Session, code: str) -> None:
    session.succeed(SETUP)
    for _ in range(5):
        result = session.run(f"{code}\n1 / 0")
        shown = [(item["kind"], item["text"]) for item in result["outputs"]]
        assert shown == [
            ("stream", "last\n"),
            ("error", "ZeroDivisionError: division by zero"),
        ]


# -- while the cell runs -------------------------------------------------------------------------

#: Waits for the word of the test without a sign of life.
WAITING = "while not os.path.exists(go): time.sleep(0.005)"
RUNNING = {
    "print": f"print('out', end='')\n{WAITING}",
    "print to stderr": f"print('out', file=sys.stderr)\n{WAITING}",
    "a busy loop": "print('out')\nwhile not os.path.exists(go): pass",
    "an await": "print('out')\nwhile not os.path.exists(go): await asyncio.sleep(0.005)",
    "a thread": f"threading.Timer(0.05, print, ('out',)).start()\n{WAITING}",
    "os.write": f"os.write(1, b'out')\n{WAITING}",
    "a child": f"p = subprocess.Popen('echo out; exec sleep 60', shell=True)\n{WAITING}\np.kill(); p.wait()",
    "a fork": f"p = multiprocessing.get_context('fork').Process(target=lambda: (print('out', flush=True), time.sleep(60)))\np.start()\n{WAITING}\np.kill(); p.join()",
    "a command": "!echo out; until [ -e $go ]; do sleep 0.01; done",
}  # fmt: skip


def hear_soon(socket: ClientConnection, text: str) -> None:
    """Return once a stream has brought a text; fail if that takes too long."""
    heard, give_up_at = "", time.monotonic() + SOON
    while text not in heard:
        message = json.loads(socket.recv(max(give_up_at - time.monotonic(), 0)))
        assert message["type"] == "stream", message
        heard += message["text"]


@pytest.mark.parametrize("code", RUNNING.values(), ids=RUNNING.keys())
def test_output_is_told_while_its_cell_runs(
    server: Server, session: Session, tmp_path: Path, code: str
) -> None:
    go = tmp_path / "go"
    session.succeed(f"{SETUP}\nimport asyncio, multiprocessing, time\ngo = {str(go)!r}")
    with open_socket(server, session.name) as socket:
        say(socket, type="execute", code=code)
        hear_until(socket, "started")
        hear_soon(socket, "out")
        go.touch()
        done = hear_until(socket, "done")[-1]
    assert (done["status"], (done["output"] + done["stderr"]).strip()) == ("success", "out")


def test_each_line_is_told_before_the_next_is_written(
    server: Server, session: Session, tmp_path: Path
) -> None:
    code = (
        "for n in range(5):\n    print('line', n)\n"
        f"    go = os.path.join({str(tmp_path)!r}, str(n))\n    {WAITING}"
    )
    session.succeed(f"{SETUP}\nimport time")
    with open_socket(server, session.name) as socket:
        say(socket, type="execute", code=code)
        hear_until(socket, "started")
        for number in range(5):
            hear_soon(socket, f"line {number}\n")
            (tmp_path / str(number)).touch()
        assert hear_until(socket, "done")[-1]["output"].count("line") == 5
