"""The server process: ``python -m kernelbox_site [--host H] [--port P] [--reload]``."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import resource
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from kernelbox_site import __version__
from kernelbox_site.env import BadSetting, Environment, read_environment, unknown_settings

#: Connections that wait to be accepted.
BACKLOG = 2_048


class CannotStart(Exception):
    """The server cannot be started; the message is a sentence for whoever wanted it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Prepare the database, then serve until stopped; returns the exit code."""
    options = _parse(arguments)
    for variable, value in (("KERNELBOX_HOST", options.host), ("KERNELBOX_PORT", options.port)):
        if value is not None:  # The settings module, and workers of --reload, read them there.
            os.environ[variable] = str(value)
    try:
        environment = read_environment(os.environ)
        for name in unknown_settings(os.environ):
            print(f"kernelbox: {name} is no setting, and is passed over", file=sys.stderr)
        with _listening(environment) as listener, _only_server(environment.home):
            _run(environment, listener, reload=options.reload)
    except (BadSetting, CannotStart) as error:
        print(f"kernelbox: {error}", file=sys.stderr)
        return 2
    return 0


def _run(environment: Environment, listener: socket.socket, *, reload: bool) -> None:
    _allow_many_files()
    _prepare(environment)
    _greet(environment, listener)
    # Not before now: these need the settings, and those the environment as it is by now.
    from kernelbox_site.server import serve

    serve(environment, listener, reload=reload)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/serve", description="Serve KernelBox.")
    parser.add_argument("--host", help="address to listen on (KERNELBOX_HOST, 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on (KERNELBOX_PORT, 8080)")
    parser.add_argument("--reload", action="store_true", help="restart when the code changes")
    parser.add_argument("--version", action="version", version=__version__)
    return parser.parse_args(arguments)


@contextlib.contextmanager
def _listening(environment: Environment) -> Iterator[socket.socket]:
    """The listening socket: made before anything else, so that a second server changes nothing."""
    host, port = environment.host.strip("[]"), environment.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            reason = f"{host}:{port} cannot be listened on: {error.strerror}"
            raise CannotStart(reason) from error
        listener.listen(BACKLOG)
        listener.set_inheritable(True)
        yield listener


@contextlib.contextmanager
def _only_server(home: Path) -> Iterator[None]:
    """Hold the lock of a home folder, which ends with the process however it ends."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (home / "server.lock").open("w")
    except OSError as error:
        raise CannotStart(f"KERNELBOX_HOME {home} cannot be used: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CannotStart(
                f"another server already uses {home}, and would lose its kernels to this one. "
                "Stop it, or set KERNELBOX_HOME to another folder."
            ) from error
        yield


def _allow_many_files() -> None:
    """Take as many descriptors as the system gives: a kernel takes eight, and often 1,024 are all."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _prepare(environment: Environment) -> None:
    """Migrate the database, and make somebody who can log in."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kernelbox_site.settings")
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connections

    from kernelbox_site.first_admin import NAME, make_first_admin

    call_command("migrate", verbosity=0, interactive=False)
    made = make_first_admin(environment.home)
    if made is not None:
        password, path = made
        print(f"Made the admin user {NAME!r} with the password {password} (kept in {path})")
    connections.close_all()


def _greet(environment: Environment, listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    base = f"http://{f'[{host}]' if ':' in host else host}:{port}{environment.root_path}"
    print(f"KernelBox {__version__} on {base}  (API {base}/docs, admin {base}/admin/)", flush=True)


if __name__ == "__main__":
    sys.exit(main())
