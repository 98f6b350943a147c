"""Random state that a fork would otherwise share with all its siblings.

``random``, ``secrets``, ``uuid`` and numpy's ``default_rng()`` ask the system or renew themselves.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import sys


def renew() -> None:
    """Give this process random state of its own, in every library that is loaded."""
    random.seed()
    multiprocessing.current_process().authkey = os.urandom(32)
    if (tempfile := sys.modules.get("tempfile")) is not None:
        setattr(tempfile, "_name_sequence", None)  # noqa: B010 - private
    if (numpy_random := sys.modules.get("numpy.random")) is not None:
        numpy_random.seed()
    if (torch := sys.modules.get("torch")) is not None:
        torch.seed()
