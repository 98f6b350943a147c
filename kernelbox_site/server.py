"""The HTTP server around the application: uvicorn, and how it stops."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

import uvicorn
from uvicorn.supervisors import ChangeReload

from kernelbox_site.env import Environment

ROOT = Path(__file__).resolve().parent.parent
#: Folders whose files --reload watches.
WATCHED = ("kernelbox_site", "kernels", "sessions_app")
#: Seconds that answers under way get when the server is stopped.
STOP_GRACE = 3
#: Bytes of one WebSocket message from a client.
WEBSOCKET_MESSAGE_LIMIT = 16 * 1024 * 1024


def serve(environment: Environment, listener: socket.socket, *, reload: bool) -> None:
    """Serve on ``listener`` until a signal ends it; with ``reload`` also when the code changes."""
    config = uvicorn.Config(
        "kernelbox_site.asgi:application",
        host=environment.host,
        port=environment.port,
        root_path=environment.root_path,
        loop="auto",
        http="httptools",
        ws="websockets-sansio",
        lifespan="on",
        log_config=None,
        access_log=environment.log_level == "DEBUG",
        server_header=False,
        proxy_headers=bool(environment.trusted_proxies),
        forwarded_allow_ips=list(environment.trusted_proxies),
        timeout_graceful_shutdown=STOP_GRACE,
        ws_max_size=WEBSOCKET_MESSAGE_LIMIT,
        # On loopback it costs more than it saves; a proxy may compress.
        ws_per_message_deflate=False,
        reload=reload,
        reload_dirs=[str(ROOT / name) for name in WATCHED] if reload else None,
    )
    server = _Server(config)
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises it again once it has stopped.
        if reload:
            ChangeReload(config, target=server.run, sockets=[listener]).run()
        else:
            server.run(sockets=[listener])


class _Server(uvicorn.Server):
    """Ends what runs in the kernels before it waits for answers, so that there are answers."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the kernels, let the answers go out, and stop."""
        # The process of --reload imports this module before Django is set up.
        from kernels.api.scope import MANAGER

        manager = self.lifespan.state.get(MANAGER)
        if manager is not None:
            await manager.close()
        await super().shutdown(sockets)
