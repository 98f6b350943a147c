"""Identifiers that sort by the time at which they were made."""

from __future__ import annotations

import uuid

from uuid_utils.compat import uuid7


def new_id() -> uuid.UUID:
    """A time-ordered UUID (version 7, RFC 9562): new rows go to the end of an index."""
    return uuid7()
