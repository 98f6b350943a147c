"""Django's view of the kernels app."""

from __future__ import annotations

from django.apps import AppConfig


class KernelsConfig(AppConfig):
    """Kernels and what becomes of them."""

    name = "kernels"
    default_auto_field = "django.db.models.BigAutoField"
