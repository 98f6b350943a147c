"""A real nginx with the configuration that ``docs/reverse-proxy.md`` gives."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.server import ROOT

PAGE = ROOT / "docs" / "reverse-proxy.md"
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
OPENSSL = shutil.which("openssl")
USER, PASSWORD = "alice", "a password, long enough"
PREFIX = "/kernelbox"
#: Seconds for nginx to listen, to end, and for one of openssl's commands.
LIMIT = 10

MAIN = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{block}
}}
"""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A running nginx: its address, without the prefix, and the certificate to trust."""

    port: int
    certificate: Path
    folder: Path

    @property
    def url(self) -> str:
        """Where it serves KernelBox."""
        return f"https://localhost:{self.port}{PREFIX}"

    @property
    def websocket_url(self) -> str:
        """The same for WebSockets."""
        return self.url.replace("https://", "wss://")

    def tls(self) -> ssl.SSLContext:
        """What trusts its certificate and no other."""
        return ssl.create_default_context(cafile=str(self.certificate))

    def client(self, address: str = "127.0.0.1", **options: object) -> httpx.Client:
        """An HTTP client for it that comes from a loopback address of one's choice."""
        transport = httpx.HTTPTransport(verify=self.tls(), local_address=address)
        return httpx.Client(base_url=self.url, transport=transport, timeout=30, **options)  # type: ignore[arg-type]

    def log(self) -> str:
        """What it warned of."""
        return (self.folder / "error.log").read_text()


def documented_block() -> str:
    """The nginx configuration of the page."""
    blocks = re.findall(r"^```nginx\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert len(blocks) == 1, f"{PAGE} has {len(blocks)} nginx blocks, not one"
    return str(blocks[0])


def filled_in(block: str, replacements: dict[str, str]) -> str:
    """The block with each placeholder replaced; one that is not there is a fault of the page."""
    for placeholder, value in replacements.items():
        assert placeholder in block, f"{PAGE} does not say {placeholder!r}"
        block = block.replace(placeholder, value)
    return block


@contextlib.contextmanager
def running_nginx(server_port: int, token: str) -> Iterator[Proxy]:
    """Run nginx in front of a server, in a folder of its own and in the foreground."""
    assert NGINX is not None
    with tempfile.TemporaryDirectory(prefix="kn") as name:
        folder = Path(name)
        certificate, key = _certificate(folder)
        passwords = folder / "htpasswd"
        passwords.write_text(f"{USER}:{_openssl('passwd', '-apr1', PASSWORD).strip()}\n")
        folder.chmod(0o755)  # The worker, which is another user, reads the passwords.
        port = _free_port()
        block = filled_in(
            documented_block(),
            {
                "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
                "server_name box.example": "server_name localhost",
                "/etc/ssl/certs/box.example.pem": str(certificate),
                "/etc/ssl/private/box.example.key": str(key),
                "/etc/nginx/kernelbox.htpasswd": str(passwords),
                "127.0.0.1:8080": f"127.0.0.1:{server_port}",
                "change-this-token": token,
            },
        )
        configuration = folder / "nginx.conf"
        configuration.write_text(MAIN.format(folder=folder, block=block))
        process = subprocess.Popen(
            [NGINX, "-p", str(folder), "-c", str(configuration)],
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            _wait_until_it_listens(process, port)
            yield Proxy(port, certificate, folder)
        finally:
            process.terminate()
            process.communicate(timeout=LIMIT)


def _certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of ``localhost`` that is its own authority, and its key."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    _openssl(
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-keyout", str(key), "-out", str(certificate), "-days", "2", "-subj", "/CN=localhost",
        "-addext", "subjectAltName=DNS:localhost",
    )  # fmt: skip
    return certificate, key


def _openssl(*arguments: str) -> str:
    assert OPENSSL is not None
    done = subprocess.run(
        [OPENSSL, *arguments], capture_output=True, text=True, timeout=LIMIT, check=True
    )
    return done.stdout


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _wait_until_it_listens(process: subprocess.Popen[str], port: int) -> None:
    """nginx has no word for it but an open port."""
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"nginx did not start: {process.communicate()[1]}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), LIMIT):
            return
    raise RuntimeError("nginx did not listen in time")
