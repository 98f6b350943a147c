"""Where the manager gets the processes of its kernels: from the host and its spares, or elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import zmq.asyncio

from kernels.conf import KernelSettings
from kernels.environment import kernel_environment
from kernels.host.starting import HostOptions
from kernels.hosting import Hosting
from kernels.runtime.errors import KernelStartFailed
from kernels.runtime.incarnation import Incarnation, KernelOptions
from kernels.runtime.languages import PYTHON, Language
from kernels.runtime.process import Launcher, ProvisionedLauncher
from kernels.runtime.spares import Spares
from kernels.runtime.starters import FreshStarter, SpareStarter, Starter

#: Seconds for which kernels go on when their server is gone without a word: nobody finds them again.
ORPHAN_GRACE = 0.0
#: Run in every spare, so that its first cell is not its first.
WARM_UP = "None"
#: Run silently in every Python kernel that the host has not made. SIGINT does not wake an event loop
#: that waits in ``await asyncio.sleep(…)`` in ipykernel 7.4: the interrupt would come after it.
WAKE_ON_SIGNAL = (
    "import asyncio as _a, signal as _s\n"
    "_s.set_wakeup_fd(_a.get_running_loop()._csock.fileno(), warn_on_full_buffer=False)\n"
    "del _a, _s"
)


class Source(Protocol):
    """Starters for kernels of any language, and what they need to live."""

    @property
    def description(self) -> str:
        """What starts the kernels, in a few words."""

    @property
    def spares(self) -> int:
        """Kernels that wait for a session."""

    def open(self) -> None:
        """Make ready; what takes time goes on by itself."""

    async def close(self) -> None:
        """End what no kernel owns."""

    def starter(self, language: Language, options: KernelOptions) -> Starter:
        """For one kernel."""


LauncherFactory = Callable[[str, KernelSettings, zmq.asyncio.Context], Launcher]


class LauncherSource:
    """Each kernel by a launcher of its own, when it is needed."""

    description = "launchers"
    spares = 0

    def __init__(
        self, settings: KernelSettings, context: zmq.asyncio.Context, factory: LauncherFactory
    ) -> None:
        self._settings = settings
        self._context = context
        self._factory = factory

    def open(self) -> None:
        """Nothing."""

    async def close(self) -> None:
        """Nothing."""

    def starter(self, language: Language, options: KernelOptions) -> Starter:
        """One by the factory's launcher."""
        launcher = self._factory(language.kernelspec, self._settings, self._context)
        return FreshStarter(launcher, self._context, options)


class HostSource:
    """Kernels by the kernel host, Python ones from its spares while there are any."""

    def __init__(self, settings: KernelSettings, context: zmq.asyncio.Context) -> None:
        self._settings = settings
        self._context = context
        self._hosting = Hosting(
            HostOptions(
                socket=settings.runtime_dir / "host.sock",
                preload=settings.preload,
                environment=kernel_environment(settings.environment),
                grace=ORPHAN_GRACE,
            )
        )
        self._spares = Spares(self._make_spare, settings.spares)
        #: Whether the kernelspec turned out to be another program than the host's kernel.
        self._not_forked = False

    @property
    def description(self) -> str:
        """What starts the kernels, in a few words."""
        return self._hosting.description

    @property
    def spares(self) -> int:
        """Kernels that wait for a session."""
        return len(self._spares)

    def open(self) -> None:
        """Begin to start the host, and to make spares."""
        self._hosting.open()
        self._spares.open()

    async def close(self) -> None:
        """End the spares and, if nobody else needs it, the host."""
        await self._spares.close()
        await self._hosting.close()

    def starter(self, language: Language, options: KernelOptions) -> Starter:
        """One that takes a spare if it is of their kind."""
        if language.name == PYTHON:
            options = replace(options, mending_cells=(WAKE_ON_SIGNAL,))
        fresh = FreshStarter(self._launcher(language.kernelspec), self._context, options)
        if language.kernelspec != self._settings.kernel_type:
            return fresh
        workplace = {
            "environment": dict(self._settings.environment),
            "working_dir": str(self._settings.working_dir),
            "limits": {},
        }
        return SpareStarter(self._spares, fresh, options, workplace)

    def _launcher(self, kernelspec: str) -> Launcher:
        settings = self._settings
        return ProvisionedLauncher(
            kernelspec=kernelspec,
            runtime_dir=settings.runtime_dir,
            working_dir=settings.working_dir,
            environment=settings.environment,
            context=self._context,
            choose_provisioner=self._hosting.choose_provisioner,
        )

    async def _make_spare(self) -> Incarnation:
        settings = self._settings
        if self._not_forked or await self._hosting.choose_provisioner() is None:
            raise KernelStartFailed("Spares need the kernel host, and a kernel that it can fork.")
        options = KernelOptions(start_timeout=settings.start_timeout, startup_cells=(WARM_UP,))
        fresh = FreshStarter(self._launcher(settings.kernel_type), self._context, options)
        spare = await fresh.start()
        if not spare.is_hosted:
            self._not_forked = True
            await spare.end()
            raise KernelStartFailed(
                f"{settings.kernel_type} is not the kernel that the host forks."
            )
        return spare
