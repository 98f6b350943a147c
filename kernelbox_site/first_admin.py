"""Somebody who can log in: made on the first start, when there is no user at all."""

from __future__ import annotations

import secrets
from pathlib import Path

from django.contrib.auth import get_user_model

from kernelbox_site.secret_key import private_file

NAME = "admin"


def make_first_admin(home: Path) -> tuple[str, Path] | None:
    """Make ``admin`` with a random password if there is no user.

    Returns the password and the file that keeps it, which only its owner can read; None if there
    were users already.
    """
    users = get_user_model().objects
    if users.exists():
        return None
    path = home / "admin_password"
    password = private_file(path, secrets.token_urlsafe(18))
    users.create_superuser(username=NAME, password=password)
    return password, path
