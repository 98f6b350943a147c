"""Kernels that were forked from one process are as different as if each had been started by itself."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.live.host.conftest import OpenSession
from tests.live.host.session import Session

pytestmark = pytest.mark.any_database

#: Kernels that are compared; half of them are started at once.
SIBLINGS = 8

_NUMPY = pytest.mark.skipif(
    importlib.util.find_spec("numpy") is None, reason="numpy is not installed"
)
DIFFERENT = {
    "pid": "import os\nos.getpid()",
    "random.random": "import random\nrandom.random()",
    "random.shuffle": "import random\nl = list(range(50))\nrandom.shuffle(l)\nl",
    "uuid1": "import uuid\nstr(uuid.uuid1())",
    "uuid4": "import uuid\nstr(uuid.uuid4())",
    "secrets": "import secrets\nsecrets.token_hex()",
    "os.urandom": "import os\nos.urandom(16)",
    "ssl": "import ssl\nssl.RAND_bytes(16)",
    "temporary file": "import tempfile\nwith tempfile.NamedTemporaryFile() as file: name = file.name\nname",
    "temporary folder": "import tempfile\nwith tempfile.TemporaryDirectory() as name: pass\nname",
    "authkey": "import multiprocessing\nbytes(multiprocessing.current_process().authkey)",
    "Jupyter session": "get_ipython().kernel.session.session",
    "connection": "get_ipython().kernel.session.key",
    "kernel's name on iopub": "get_ipython().kernel.ident",
}  # fmt: skip
NUMPY = {
    "numpy.random.rand": "import numpy\nfloat(numpy.random.rand())",
    "numpy.random.default_rng": "import numpy\nfloat(numpy.random.default_rng().random())",
    "numpy.random.permutation": "import numpy\nnumpy.random.permutation(50).tolist()",
}
PARAMETERS = [pytest.param(code, id=name) for name, code in DIFFERENT.items()] + [
    pytest.param(code, id=name, marks=_NUMPY) for name, code in NUMPY.items()
]


@pytest.fixture(scope="module")
def siblings(client: httpx.Client) -> Iterator[list[Session]]:
    """Sessions with kernels, some of which were started at once and some in turn."""
    sessions = [Session(client, f"sibling-{number}") for number in range(SIBLINGS)]
    with ThreadPoolExecutor(SIBLINGS) as pool:
        list(pool.map(lambda session: session.succeed("1"), sessions[: SIBLINGS // 2]))
    for session in sessions[SIBLINGS // 2 :]:
        session.succeed("1")
    yield sessions
    for session in sessions:
        session.destroy()


@pytest.mark.parametrize("code", PARAMETERS)
def test_no_two_siblings_have_the_same(siblings: list[Session], code: str) -> None:
    values = [repr(session.value(code)) for session in siblings]
    assert len({*values}) == SIBLINGS, values


def test_a_seed_gives_the_same_everywhere(siblings: list[Session]) -> None:
    code = "import random\nrandom.seed(1)\n[random.random() for _ in range(3)]"
    assert len({repr(session.value(code)) for session in siblings}) == 1


#: How something that processes could share is changed, and how to see whether it is.
CHANGES: dict[str, tuple[str, str]] = {
    "a module's attribute": ("import json\njson.mark = 1", "import json\nhasattr(json, 'mark')"),
    "a class of the library": ("import pathlib\npathlib.Path.mark = 1", "import pathlib\nhasattr(pathlib.Path, 'mark')"),
    "builtins": ("import builtins\nbuiltins.mark = 1", "'mark' in dir(__builtins__)"),
    "a loaded module": ("import sys, types\nsys.modules['mark'] = types.ModuleType('mark')", "import sys\n'mark' in sys.modules"),
    "the path": ("import sys\nsys.path.append('/mark')", "import sys\n'/mark' in sys.path"),
    "the environment": ("import os\nos.environ['MARK'] = '1'", "import os\n'MARK' in os.environ"),
    "the folder": ("import os\nhome = os.getcwd()\nos.chdir('/')", "import os\nos.getcwd() == '/'"),
    "a logger's level": ("import logging\nlogging.getLogger().setLevel(7)", "import logging\nlogging.getLogger().level == 7"),
    "a signal handler": ("import signal\n_ = signal.signal(signal.SIGUSR1, signal.SIG_IGN)", "import signal\nsignal.getsignal(signal.SIGUSR1) is signal.SIG_IGN"),
    "a warning filter": ("import warnings\nwarnings.simplefilter('error')", "import warnings\nwarnings.filters[0][0] == 'error'"),
    "the umask": ("import os\n_ = os.umask(0o012)", "import os\n(os.umask(0o22), os.umask(0o22))[0] == 0o012"),
    "a variable": ("mark = 1", "'mark' in globals()"),
    "a magic": ("from IPython.core.magic import register_line_magic\n@register_line_magic\ndef mark(line): pass", "'mark' in get_ipython().magics_manager.magics['line']"),
    "an imported file": ("import importlib, pathlib\npathlib.Path('mark.py').write_text('')\nimport mark\npathlib.Path('mark.py').unlink()", "import sys\n'mark' in sys.modules"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "look"), CHANGES.values(), ids=CHANGES.keys())
def test_what_one_changes_no_other_sees(
    siblings: list[Session],
    open_session: OpenSession,
    change: str,
    look: str,
) -> None:
    changing = open_session()
    changing.succeed(change)
    assert changing.value(look) is True
    assert siblings[0].value(look) is False
    assert open_session().value(look) is False
