"""Every setting is an environment variable, read and checked here, once.

A value that cannot be used raises :class:`BadSetting` with a sentence that names the variable.
``docs/configuration.md`` is this file as a table; a test holds the two together.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from kernelbox_site import readers
from kernels.host.preload import DEFAULT as DEFAULT_PRELOAD
from kernels.runtime.process import LONGEST_RUNTIME_DIR

#: Characters of a stream that are kept where the limit is said to be none at all (0, as in the
#: original): memory must have a bound.
UNLIMITED_CHARS = 16 * 1024 * 1024
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1", "[::1]"})
#: Variables of the original that have no meaning here, and of the launcher.
PASSED_OVER = frozenset(
    {"KERNELBOX_STORE_BACKEND", "KERNELBOX_REGISTRY_PATH", "KERNELBOX_TEST_POSTGRES_URL"}
)


class BadSetting(ValueError):
    """A setting has a value that cannot be used."""


def _setting(
    name: str,
    read: readers.Reader,
    default: Any,
    help: str,
    shown: str | None = None,
    *,
    secret: bool = False,
) -> Any:
    """A field of :class:`Environment`: its variable, how it is read, what it is for.

    ``shown`` is the default in words, where the value does not say it; a ``secret`` is in no repr.
    """
    metadata = {"variable": name, "read": read, "help": help, "shown": shown}
    if callable(default):
        return field(default_factory=default, metadata=metadata, repr=not secret)
    return field(default=default, metadata=metadata, repr=not secret)


def _default_home() -> Path:
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return readers.folder(data) / "kernelbox"


@dataclass(frozen=True, slots=True)
class Environment:
    """All settings, typed. Times in seconds, sizes in bytes unless a name says characters."""

    # Where it listens and who may come in
    host: str = _setting(
        "KERNELBOX_HOST",
        readers.text,
        "127.0.0.1",
        "Address to listen on. Anything but loopback needs `KERNELBOX_TOKEN`.",
    )
    port: int = _setting(
        "KERNELBOX_PORT", readers.whole(0, 65535), 8080, "Port to listen on; 0 takes a free one."
    )
    token: str = _setting(
        "KERNELBOX_TOKEN",
        readers.word,
        "",
        "When set, every request but `/health` must carry it.",
        "none",
        secret=True,
    )
    allowed_hosts: tuple[str, ...] = _setting(
        "KERNELBOX_ALLOWED_HOSTS",
        readers.hosts,
        (),
        "Names, comma-separated, by which this server may be called besides localhost, 127.0.0.1 and [::1].",
        "none",
    )
    trusted_proxies: tuple[str, ...] = _setting(
        "KERNELBOX_TRUSTED_PROXIES",
        readers.networks,
        (),
        "Addresses or networks whose `X-Forwarded-*` headers are believed.",
        "none",
    )
    root_path: str = _setting(
        "KERNELBOX_ROOT_PATH",
        readers.path_prefix,
        "",
        "The path under which a reverse proxy shows this server, `/kernelbox` say.",
        "none",
    )
    body_limit: int = _setting(
        "KERNELBOX_BODY_LIMIT",
        readers.whole(1024, 2**31),
        16 * 1024 * 1024,
        "Bytes of one request's body; more is answered 413.",
    )

    # What is kept where
    home: Path = _setting(
        "KERNELBOX_HOME",
        readers.folder,
        _default_home,
        "Folder of the database, the secret key, the admin's first password and the kernels' working folder.",
        "`$XDG_DATA_HOME/kernelbox`, or `~/.local/share/kernelbox`",
    )
    runtime_dir: Path | None = _setting(
        "KERNELBOX_RUNTIME_DIR",
        readers.folder,
        None,
        f"Folder of the kernels' sockets and connection files; at most {LONGEST_RUNTIME_DIR} bytes long.",
        "a private folder under `$XDG_RUNTIME_DIR` or the system's temporary folder",
    )
    database_url: str = _setting(
        "DATABASE_URL",
        readers.text,
        "",
        "Postgres in place of SQLite: `postgres://user:password@host:5432/name`.",
        "SQLite in `KERNELBOX_HOME`",
        secret=True,
    )

    # Kernels
    kernel_type: str = _setting(
        "KERNELBOX_KERNEL_TYPE", readers.text, "python3", "Kernelspec that runs Python and bash."
    )
    startup_code: str = _setting(
        "KERNELBOX_STARTUP_CODE",
        readers.text,
        "",
        "Python code run in every new Python kernel; if it raises, the kernel does not start.",
        "none",
    )
    preload: tuple[str, ...] = _setting(
        "KERNELBOX_PRELOAD",
        readers.modules,
        DEFAULT_PRELOAD,
        "Python modules, comma-separated, that the kernel host imports once for all kernels; `none` for none.",
        "`numpy,pandas,matplotlib.pyplot`, those of them that are installed",
    )
    spares: int = _setting(
        "KERNELBOX_SPARES",
        readers.whole(0, 1_000),
        2,
        "Kernels that are started ahead and wait for a session; they do not count as alive.",
    )
    kernel_env: tuple[str, ...] = _setting(
        "KERNELBOX_KERNEL_ENV",
        readers.names,
        (),
        "Names of environment variables, comma-separated, that kernels get besides the ordinary ones (`PATH`, `HOME`, `LANG`, …).",
        "none",
    )
    max_kernels: int = _setting(
        "KERNELBOX_MAX_KERNELS",
        readers.whole(1, 100_000),
        100,
        "Kernels alive or starting at one time.",
    )
    start_timeout: float = _setting(
        "KERNELBOX_START_TIMEOUT",
        readers.seconds(1, 3600),
        60.0,
        "Seconds for a kernel to be ready.",
    )

    # Executions
    execution_timeout: float = _setting(
        "KERNELBOX_EXECUTION_TIMEOUT",
        readers.seconds(0.1, 86_400),
        60.0,
        "Seconds an execution may take when the request does not say.",
    )
    max_retries: int = _setting(
        "KERNELBOX_MAX_RETRIES",
        readers.whole(1, 100),
        5,
        "Attempts of an execution with retry when the request does not say.",
    )
    queue_limit: int = _setting(
        "KERNELBOX_QUEUE_LIMIT",
        readers.whole(1, 100_000),
        100,
        "Executions that may wait for one kernel; more are answered 429.",
    )
    output_char_limit: int = _setting(
        "KERNELBOX_OUTPUT_CHAR_LIMIT",
        readers.whole(0, UNLIMITED_CHARS),
        10_000,
        f"Characters kept of stdout, of stderr and of the value; 0 means {UNLIMITED_CHARS}.",
    )
    rich_output_byte_limit: int = _setting(
        "KERNELBOX_RICH_OUTPUT_BYTE_LIMIT",
        readers.whole(0, 2**31),
        8 * 1024 * 1024,
        "Bytes kept of one execution's images, HTML and other rich displays.",
    )

    # For those who look after it
    log_level: str = _setting(
        "KERNELBOX_LOG_LEVEL", readers.log_level, "INFO", "DEBUG, INFO, WARNING, ERROR or CRITICAL."
    )
    debug: bool = _setting(
        "KERNELBOX_DEBUG",
        readers.boolean,
        False,
        "Django's debug pages. Never where others can reach them.",
        "off",
    )

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return is_loopback(self.host)

    @property
    def output_chars(self) -> int:
        """The limit of a stream's characters, with a bound also where none was wanted."""
        return self.output_char_limit or UNLIMITED_CHARS

    def runtime_folder(self) -> Path:
        """Where sockets go: short, whatever ``KERNELBOX_HOME`` is, and one folder a home."""
        if self.runtime_dir is not None:
            return self.runtime_dir
        digest = hashlib.sha256(str(self.home).encode()).hexdigest()[:8]
        run = os.environ.get("XDG_RUNTIME_DIR", "")
        parent = (
            Path(run)
            if run and len(run) < LONGEST_RUNTIME_DIR - 20
            else Path(tempfile.gettempdir())
        )
        return parent / f"kernelbox-{os.getuid()}-{digest}"


def is_loopback(host: str) -> bool:
    """Whether an address or a name is this machine's own."""
    if host in LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def read_environment(environ: Mapping[str, str]) -> Environment:
    """Read all settings; raises :class:`BadSetting` for the first value that cannot be used."""
    values: dict[str, Any] = {}
    for setting in fields(Environment):
        variable = setting.metadata["variable"]
        raw = environ.get(variable)
        if not raw:  # Set to nothing, as compose files do, is not set.
            continue
        try:
            values[setting.name] = setting.metadata["read"](raw)
        except ValueError as error:
            raise BadSetting(f"{variable} {error}; it is {raw!r}.") from None
    environment = Environment(**values)
    _check_together(environment)
    return environment


def unknown_settings(environ: Mapping[str, str]) -> list[str]:
    """Variables that look like settings and are none: most likely misspelt."""
    known = {setting.metadata["variable"] for setting in fields(Environment)} | PASSED_OVER
    return sorted(name for name in environ if name.startswith("KERNELBOX_") and name not in known)


def _check_together(environment: Environment) -> None:
    if not environment.is_loopback and not environment.token:
        raise BadSetting(
            f"KERNELBOX_HOST is {environment.host}, which others can reach, and there is no "
            "KERNELBOX_TOKEN. Set a token, or listen on 127.0.0.1."
        )
    folder = str(environment.runtime_folder())
    if len(folder.encode()) > LONGEST_RUNTIME_DIR:
        raise BadSetting(
            f"KERNELBOX_RUNTIME_DIR must be at most {LONGEST_RUNTIME_DIR} bytes long, as the path "
            f"of a Unix socket is at most 107; it is {folder!r}."
        )
