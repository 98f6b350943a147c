"""Wires the parts together: settings, the front door, the ASGI application, the server process."""

__version__ = "0.1.0"
