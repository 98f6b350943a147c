"""The server process: ``python -m kernelbox_site [--host H] [--port P] [--reload]``."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from collections.abc import Sequence

from kernelbox_site import __version__
from kernelbox_site.env import BadSetting, Environment, read_environment, unknown_settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Prepare the database, then serve until stopped; returns the exit code."""
    options = _parse(arguments)
    for variable, value in (("KERNELBOX_HOST", options.host), ("KERNELBOX_PORT", options.port)):
        if value is not None:  # The settings module, and workers of --reload, read them there.
            os.environ[variable] = str(value)
    try:
        environment = read_environment(os.environ)
    except BadSetting as error:
        return _fail(str(error))
    for name in unknown_settings(os.environ):
        print(f"kernelbox: {name} is no setting, and is passed over", file=sys.stderr)
    try:
        listener = _listen(environment)
    except OSError as error:
        return _fail(
            f"{environment.host}:{environment.port} cannot be listened on: {error.strerror}"
        )
    _prepare(environment)
    _greet(environment, listener)
    # Not before now: these need the settings, and those the environment as it is by now.
    from kernelbox_site.server import serve

    serve(environment, listener, reload=options.reload)
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/serve", description="Serve KernelBox.")
    parser.add_argument("--host", help="address to listen on (KERNELBOX_HOST, 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on (KERNELBOX_PORT, 8080)")
    parser.add_argument("--reload", action="store_true", help="restart when the code changes")
    parser.add_argument("--version", action="version", version=__version__)
    return parser.parse_args(arguments)


def _fail(sentence: str) -> int:
    print(f"kernelbox: {sentence}", file=sys.stderr)
    return 2


def _listen(environment: Environment) -> socket.socket:
    """The listening socket: made before anything else, so that a second server changes nothing."""
    family = socket.AF_INET6 if ":" in environment.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((environment.host.strip("[]"), environment.port))
    except OSError:
        listener.close()
        raise
    listener.listen(2048)
    listener.set_inheritable(True)
    return listener


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
