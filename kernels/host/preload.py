"""Libraries that are imported once, in the host, for all kernels."""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NoReturn

from kernels.host import linux

#: Where nothing is said, what data analysis imports; passed over where it is not installed.
DEFAULT = ("numpy", "pandas", "matplotlib.pyplot")
#: What comes along with a module: parts of it that are imported when they are first used.
ALONG = {
    "pandas": ("pandas.io.formats.html", "pandas.io.formats.string"),
    "matplotlib.pyplot": ("matplotlib_inline.backend_inline", "PIL.PngImagePlugin"),
}
#: Libraries for linear algebra start threads when they are imported, unless told otherwise.
ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
#: Seconds for threads that end by themselves to have ended.
SETTLE = 0.2


@dataclass(frozen=True, slots=True)
class Preloaded:
    """What came of it: the modules that are there, and why others are not."""

    modules: tuple[str, ...] = ()
    left_out: dict[str, str] = field(default_factory=dict)

    def as_mapping(self) -> dict[str, Any]:
        """For who connects."""
        return {"preloaded": list(self.modules), "left_out": self.left_out}


class LeavesThread(Exception):
    """A module starts a thread when it is imported: forking would leave it behind."""

    def __init__(self, module: str) -> None:
        super().__init__(module)
        self.module = module


def preload(names: Iterable[str], left_out: dict[str, str]) -> Preloaded:
    """Import modules, but for those left out already; raises :class:`LeavesThread`.

    One that cannot be imported is left out too, and its error is kept. Of :data:`DEFAULT`, one that
    is not installed goes without a word.
    """
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    modules, left_out = [], dict(left_out)
    for name in names:
        if name in left_out:
            continue
        try:
            for module in (name, *ALONG.get(name, ())):
                importlib.import_module(module)
        except Exception as error:  # noqa: BLE001 - a module may raise anything
            if not (name in DEFAULT and isinstance(error, ModuleNotFoundError)):
                left_out[name] = f"{type(error).__name__}: {error}"
            continue
        _check_threads(name)
        modules.append(name)
    return Preloaded(tuple(modules), left_out)


def start_over_without(module: str) -> NoReturn:
    """Begin this program anew: what a module has started cannot be undone."""
    reason = f"{module}=it starts a thread when it is imported"
    os.execv(sys.executable, [*sys.orig_argv, "--left-out", reason])  # noqa: S606


def _check_threads(module: str) -> None:
    give_up_at = time.monotonic() + SETTLE
    while linux.threads() > 1:
        if time.monotonic() > give_up_at:
            raise LeavesThread(module)
        time.sleep(SETTLE / 20)
