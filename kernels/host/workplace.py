"""Where a kernel works: what is set for it when it starts, or when a spare is handed out."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: Limits by the name under which ``resource`` knows them, in lower case and without ``RLIMIT_``.
LIMITS = {
    name.removeprefix("RLIMIT_").lower(): number
    for name, number in vars(resource).items()
    if name.startswith("RLIMIT_")
}


@dataclass(frozen=True, slots=True)
class Workplace:
    """Environment, working folder and limits of one kernel."""

    environment: Mapping[str, str] = field(repr=False)
    working_dir: str
    #: By name (``nofile``, ``as``, ``cpu``, …), in the units of ``setrlimit(2)``.
    limits: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def from_mapping(cls, given: Mapping[str, Any]) -> Workplace:
        """Read what came in a message; raises ValueError when it is not one."""
        environment, limits = given.get("environment"), given.get("limits", {})
        if not isinstance(environment, dict) or not isinstance(limits, dict):
            raise ValueError("environment and limits must be objects")
        unknown = sorted(set(limits) - set(LIMITS))
        if unknown:
            raise ValueError(f"unknown limits: {', '.join(unknown)}")
        return cls(
            {str(name): str(value) for name, value in environment.items()},
            str(given.get("working_dir", "")),
            {str(name): int(value) for name, value in limits.items()},
        )

    def as_mapping(self) -> dict[str, Any]:
        """What :meth:`from_mapping` reads."""
        return {
            "environment": dict(self.environment),
            "working_dir": self.working_dir,
            "limits": dict(self.limits),
        }

    def enter(self, *, keep_environment: bool = False) -> None:
        """Make it this process's own; raises OSError or ValueError for what cannot be set.

        ``keep_environment``: variables that it does not name stay, a kernelspec's say.
        """
        if not keep_environment:
            os.environ.clear()
        os.environ.update(self.environment)
        time.tzset()
        os.chdir(self.working_dir)
        for name, value in self.limits.items():
            hard = resource.getrlimit(LIMITS[name])[1]
            most = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(LIMITS[name], (most, most))
