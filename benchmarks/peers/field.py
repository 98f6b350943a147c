"""Who is measured side by side, and what nobody can be faster than."""

from __future__ import annotations

from functools import partial

from benchmarks.peers import bare_asgi, jupyter_server, kernel_gateway, original, ours, raw_zmq
from benchmarks.peers.jupyter import QUICK_ACK
from benchmarks.peers.session import Serving

#: By their names; ours first, which the others are compared to.
CONTESTANTS: dict[str, Serving] = {
    ours.NAME: ours.serving,
    original.NAME: original.serving,
    kernel_gateway.NAME: kernel_gateway.serving,
    jupyter_server.NAME: jupyter_server.serving,
}
#: The same servers with a client that keeps TCP from waiting: what they take themselves.
WITH_QUICK_ACK: dict[str, Serving] = {
    f"{peer.NAME}, {QUICK_ACK}": partial(peer.serving, quick_ack=True)
    for peer in (kernel_gateway, jupyter_server)
}
FLOORS: dict[str, Serving] = {
    raw_zmq.NAME: raw_zmq.serving,
    bare_asgi.NAME: bare_asgi.serving,
}
