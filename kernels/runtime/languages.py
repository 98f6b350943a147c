"""Which languages can be run here, and by which kernelspec."""

from __future__ import annotations

import time
from dataclasses import dataclass

from jupyter_client.kernelspec import KernelSpecManager

from kernels.runtime.errors import UnknownLanguage

PYTHON = "python"
PYTHON_NAMES = frozenset({"python", "py"})
BASH_NAMES = frozenset({"bash", "sh", "shell"})
#: Seconds for which the list of installed kernelspecs is believed.
SPECS_FRESH = 30.0


@dataclass(frozen=True, slots=True)
class Language:
    """How code of one language is run: by which kernel, and with what before it."""

    #: The language of the kernel, which becomes that of its session.
    name: str
    kernelspec: str
    #: Put before the code; bash goes through the Python kernel's cell magic, as in the original.
    prefix: str = ""


class Languages:
    """Resolves a language's name to a kernelspec; reads the disk only for the uncommon ones."""

    def __init__(self, python_kernelspec: str) -> None:
        self._python = Language(PYTHON, python_kernelspec)
        self._bash = Language(PYTHON, python_kernelspec, prefix="%%bash\n")
        self._installed: dict[str, str] = {}
        self._read_at = float("-inf")

    def common(self, name: str) -> Language | None:
        """Python or bash, without looking at the disk; None for any other name."""
        folded = name.lower()
        if folded in PYTHON_NAMES:
            return self._python
        if folded in BASH_NAMES:
            return self._bash
        return None

    def resolve(self, name: str) -> Language:
        """Any language; reads kernelspecs from disk. Raises :class:`UnknownLanguage`."""
        common = self.common(name)
        if common is not None:
            return common
        installed = self.installed()
        kernelspec = installed.get(name.lower())
        if kernelspec is None:
            raise UnknownLanguage(name, sorted({"python", "bash", *installed}))
        return Language(name.lower(), kernelspec)

    def installed(self) -> dict[str, str]:
        """Installed languages other than Python, and the kernelspec of each. Reads the disk."""
        if time.monotonic() - self._read_at > SPECS_FRESH:
            specs = KernelSpecManager().get_all_specs()
            found = {
                str(spec["spec"].get("language") or name).lower(): name
                for name, spec in sorted(specs.items(), reverse=True)
            }
            found.pop(PYTHON, None)
            found.pop("bash", None)
            self._installed = found
            self._read_at = time.monotonic()
        return self._installed
