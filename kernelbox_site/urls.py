"""Where everything is. No trailing slashes, and no redirect to them."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from kernelbox_site import views

urlpatterns = [
    path("", views.RootViewSet.as_view({"get": "index"}), name="root"),
    path("health", views.HealthViewSet.as_view({"get": "index"}), name="health"),
    path("openapi.json", views.schema, name="schema"),
    path("docs", views.swagger, name="docs"),
    path("redoc", views.redoc, name="redoc"),
    path("", include("kernels.api.urls")),
    path("", include("sessions_app.api.urls")),
    path("admin/", admin.site.urls),
]
handler404 = "kernelbox_site.views.not_found"
handler500 = "kernelbox_site.views.failed"
