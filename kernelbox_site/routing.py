"""Which part of the site answers what."""

from __future__ import annotations

from typing import Any

from asgiref.typing import (
    ASGI3Application,
    ASGIReceiveCallable,
    ASGISendCallable,
    WebSocketScope,
)
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.urls import re_path
from servestatic import ServeStaticASGI

from kernelbox_site.door import LOCAL_NAMES, Door, DoorPolicy, Refusal, refuse
from kernelbox_site.env import Environment
from kernelbox_site.handler import LeanASGIHandler
from kernelbox_site.lifespan import lifespan
from sessions_app.consumers.session import SessionConsumer


async def no_websocket(
    scope: WebSocketScope, receive: ASGIReceiveCallable, send: ASGISendCallable
) -> None:
    """What a WebSocket to any other path is answered."""
    detail = "There is no WebSocket here; those of sessions are at /ws/sessions/{name}."
    await refuse(Refusal(404, detail), scope, receive, send)


websocket_urls = [
    re_path(r"(?s)^ws/sessions/(?P<name>.*)\Z", SessionConsumer.as_asgi()),
    re_path("", no_websocket),  # type: ignore[arg-type]
]


def make_application() -> ASGI3Application:
    """The whole application; nothing is started before its lifespan is."""
    environment: Environment = settings.ENV
    router = ProtocolTypeRouter(
        {
            "http": static_files(LeanASGIHandler(), environment.root_path),
            "websocket": URLRouter(websocket_urls),
            "lifespan": lifespan,
        }
    )
    return Door(router, door_policy(environment))


def door_policy(environment: Environment) -> DoorPolicy:
    """Whom the settings let in."""
    hosts = (*LOCAL_NAMES, environment.host, f"[{environment.host}]", *environment.allowed_hosts)
    return DoorPolicy(
        token=environment.token,
        hosts=frozenset(host.lower() for host in hosts),
        root_path=environment.root_path,
        body_limit=environment.body_limit,
    )


def static_files(application: Any, root_path: str) -> Any:
    """Serve the files of the installed apps where they lie, without a copy of them all."""
    served = ServeStaticASGI(application, prefix=f"{root_path}/static/", allow_all_origins=False)
    for finder in get_finders():
        for storage in getattr(finder, "storages", {}).values():
            served.add_files(storage.location, prefix=f"{root_path}/static/")
    return served
