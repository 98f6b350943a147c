"""Django's view of the site: it has templates and the admin's look."""

from __future__ import annotations

from django.apps import AppConfig


class SiteConfig(AppConfig):
    """Wiring; no models."""

    name = "kernelbox_site"
    verbose_name = "KernelBox"
