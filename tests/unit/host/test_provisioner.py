"""The host as jupyter_client sees it: its provisioner, found by name, and found again."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.factory import KernelProvisionerFactory

from kernels.host.client import HostClient
from kernels.host.provisioner import NAME, HostProvisioner, is_forkable, provisioner_config
from tests.unit.harness import soon
from tests.unit.host.harness import RunningHost, eventually, sleeps
from tests.unit.host.nest import Nest
from tests.unit.host.notebook import Notebook

IPYKERNEL = [sys.executable, "-m", "ipykernel_launcher", "-f", "/k.json"]
SLEEPS = ["/bin/sh", "-c", "echo by and by >&2; exec /bin/sleep 1000"]

Launch = Callable[..., Awaitable[AsyncKernelManager]]


@pytest.fixture
async def client(host: RunningHost, nest: Nest) -> AsyncIterator[HostClient]:
    """This process's connection to the module's host."""
    opened = await soon(HostClient.connect(host.socket))
    yield opened
    await soon(opened.close())


@pytest.fixture
async def launch(host: RunningHost, client: HostClient) -> AsyncIterator[Launch]:
    """Starts a kernel by the host's provisioner: IPython's, or a command."""
    managers: list[AsyncKernelManager] = []

    async def start(
        argv: list[str] | None = None, limits: dict[str, int] | None = None, **options: Any
    ) -> AsyncKernelManager:
        file = host.folder / f"managed-{len(managers)}-{os.getpid()}.json"
        manager = AsyncKernelManager(
            kernel_name="python3", transport="ipc", connection_file=str(file)
        )
        managers.append(manager)
        spec = manager.kernel_spec
        assert spec is not None
        spec.argv = argv or spec.argv
        spec.metadata["kernel_provisioner"] = provisioner_config(host.socket, limits or {})
        command, options = await manager.pre_start_kernel(
            env=dict(host.environment), cwd=str(host.folder), **options
        )
        await provisioner_of(manager).launch_kernel(command, **options)
        return manager

    yield start
    for manager in managers:
        await manager.cleanup_resources()


def provisioner_of(manager: AsyncKernelManager) -> HostProvisioner:
    """The provisioner of a kernel that was started."""
    assert isinstance(manager.provisioner, HostProvisioner)
    return manager.provisioner


async def found_again(info: dict[str, Any]) -> HostProvisioner:
    """Another provisioner that was told where the kernel is."""
    provisioner = HostProvisioner(kernel_id="another", kernel_spec=KernelSpec())
    assert not provisioner.has_process
    await soon(provisioner.load_provisioner_info(info))
    return provisioner


@pytest.mark.parametrize(
    ("command", "forkable"),
    [
        (IPYKERNEL, True),
        ([*IPYKERNEL, "--HistoryManager.enabled=False"], True),
        (
            [f"{Path(sys.executable).parent}/../bin/{Path(sys.executable).name}", *IPYKERNEL[1:]],
            True,
        ),
        ([*IPYKERNEL, "--HistoryManager.enabled=True"], False),
        ([*IPYKERNEL, "--debug"], False),
        (["/usr/bin/other-python", *IPYKERNEL[1:]], False),
        ([sys.executable, "-X", "dev", *IPYKERNEL[1:]], False),
        ([sys.executable, "-m", "bash_kernel", "-f", "/k.json"], False),
        ([sys.executable, "-m", "ipykernel_launcher", "--debug", "-f", "/k.json"], False),
        (["/bin/sh"], False),
    ],
)
def test_what_is_forkable_is_this_pythons_kernel_as_it_is(
    command: list[str], forkable: bool
) -> None:
    assert is_forkable(command) is forkable


def test_the_provisioner_is_installed_under_its_name() -> None:
    group = KernelProvisionerFactory.GROUP_NAME
    [found] = entry_points(group=group, name=NAME)
    assert found.load() is HostProvisioner


def test_jupyter_client_makes_the_provisioner_that_a_kernelspec_names(host: RunningHost) -> None:
    chosen = provisioner_config(host.socket, {"nofile": 500})
    spec = KernelSpec(metadata={"kernel_provisioner": chosen})
    factory = KernelProvisionerFactory.instance()
    made = factory.create_provisioner_instance("id", spec, parent=None)
    assert isinstance(made, HostProvisioner)
    assert (made.host_socket, made.limits) == (str(host.socket), {"nofile": 500})
    assert factory.is_provisioner_available(spec)


async def test_an_ipython_kernel_is_forked_and_runs_code(launch: Launch) -> None:
    manager = await soon(launch())
    provisioner = provisioner_of(manager)
    assert (provisioner.forked, provisioner.has_process) == (True, True)
    assert provisioner.pid == provisioner.pgid == os.getpgid(provisioner.pid or 0)
    assert await provisioner.poll() is None
    notebook = await asyncio.to_thread(Notebook, Path(manager.connection_file))
    said = await asyncio.to_thread(notebook.run, "import os; os.getpid()")
    notebook.close()
    assert said.value == str(provisioner.pid)


async def test_another_command_is_executed(launch: Launch) -> None:
    provisioner = provisioner_of(await soon(launch(SLEEPS)))
    assert provisioner.forked is False
    assert await provisioner.poll() is None


async def test_limits_of_the_configuration_hold_in_the_kernel(launch: Launch) -> None:
    provisioner = provisioner_of(await soon(launch(SLEEPS, limits={"nofile": 321})))
    assert resource.prlimit(provisioner.pid or 0, resource.RLIMIT_NOFILE) == (321, 321)


async def test_a_kernel_that_cannot_be_started_is_told_in_the_hosts_words(launch: Launch) -> None:
    with pytest.raises(RuntimeError, match="No such file or directory: '/nowhere/kernel'"):
        await soon(launch(["/nowhere/kernel"]))


async def test_without_a_connection_to_the_host_nothing_is_started(
    launch: Launch, client: HostClient
) -> None:
    await soon(client.kernels())
    await client.close()
    with pytest.raises(RuntimeError, match="no connection to the kernel host"):
        await soon(launch())


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (["/bin/sh", "-c", "exit 3"], 3),
        (["/bin/sh", "-c", "kill -TERM $$"], -signal.SIGTERM),
        (["/bin/true"], 0),
    ],
)
async def test_a_kernel_that_ends_is_waited_for_and_polled_as_a_process_is(
    launch: Launch, argv: list[str], code: int
) -> None:
    provisioner = provisioner_of(await soon(launch(argv)))
    assert await soon(provisioner.wait()) == code
    assert await provisioner.poll() == code
    await provisioner.send_signal(signal.SIGINT)  # To nobody.


async def test_kill_and_terminate_end_a_kernel(launch: Launch) -> None:
    killed, ended = [provisioner_of(await soon(launch(SLEEPS))) for _ in range(2)]
    eventually(lambda: sleeps(ended.pid or 0))
    await soon(killed.kill())
    await soon(ended.terminate())
    assert await soon(killed.wait()) == -signal.SIGKILL
    certificate = await soon(ended.ended())
    assert (certificate.signal, certificate.stderr) == (signal.SIGTERM, "by and by")
    assert (certificate.peak_memory or 0) > 0


async def test_whoever_waits_for_a_death_may_be_cancelled(launch: Launch) -> None:
    provisioner = provisioner_of(await soon(launch(SLEEPS)))
    waiting = asyncio.create_task(provisioner.ended())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await soon(provisioner.kill())
    assert (await soon(provisioner.ended())).signal == signal.SIGKILL


async def test_a_kernel_is_found_again_by_what_its_provisioner_knows(launch: Launch) -> None:
    first = provisioner_of(await soon(launch(SLEEPS)))
    second = await found_again(await first.get_provisioner_info())
    assert (second.pid, second.pgid, second.forked) == (first.pid, first.pgid, False)
    assert second.has_process
    assert await second.poll() is None
    await soon(second.send_signal(signal.SIGTERM))
    assert await soon(second.wait()) == -signal.SIGTERM
    assert [await second.poll(), await first.poll()] == [-signal.SIGTERM] * 2


async def test_a_kernel_is_found_again_over_another_connection(
    host: RunningHost, launch: Launch, client: HostClient
) -> None:
    info = await provisioner_of(await soon(launch())).get_provisioner_info()
    await soon(client.close())
    again = await soon(HostClient.connect(host.socket))
    second = await found_again(info)
    assert (second.forked, await second.poll()) == (True, None)
    await soon(second.kill())
    assert await soon(second.wait()) == -signal.SIGKILL
    await again.close()


async def test_what_another_server_is_told_of_a_kernel_is_json(launch: Launch) -> None:
    info = await provisioner_of(await soon(launch(SLEEPS))).get_provisioner_info()
    second = await found_again(json.loads(json.dumps(info, default=repr)))
    assert await second.poll() is None


@pytest.mark.parametrize("change", [{"started": 1}, {"pid": 1}, {"kernel": "another"}], ids=str)
async def test_another_process_in_its_place_counts_as_dead(
    launch: Launch, change: dict[str, Any]
) -> None:
    first = provisioner_of(await soon(launch(SLEEPS)))
    second = await found_again(await first.get_provisioner_info() | change)
    assert await second.poll() == -signal.SIGKILL
    assert await soon(second.wait()) == -signal.SIGKILL
    await soon(second.send_signal(signal.SIGKILL))
    assert await first.poll() is None


async def test_a_kernel_that_was_cleaned_up_is_forgotten(
    launch: Launch, client: HostClient
) -> None:
    manager = await soon(launch(SLEEPS))
    provisioner = provisioner_of(manager)
    await soon(provisioner.kill())
    await soon(provisioner.wait())
    kernel = str(manager.kernel_id)
    assert client.death_of(kernel) is not None
    await provisioner.cleanup()
    assert client.death_of(kernel) is None
