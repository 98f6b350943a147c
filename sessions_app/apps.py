"""Django's view of the sessions app."""

from __future__ import annotations

from django.apps import AppConfig


class SessionsAppConfig(AppConfig):
    """Sessions and the history of what they ran."""

    name = "sessions_app"
    verbose_name = "Sessions and history"
    default_auto_field = "django.db.models.BigAutoField"
