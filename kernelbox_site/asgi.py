"""The ASGI application: the door, and behind it lifespan, static files, WebSocket and Django."""

from __future__ import annotations

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kernelbox_site.settings")
django.setup(set_prefix=False)

from kernelbox_site.routing import make_application  # noqa: E402 - needs the apps

application = make_application()
