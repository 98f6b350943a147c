"""Where the kernels' views are."""

from __future__ import annotations

from django.urls import path

from kernels.api.views import KernelListViewSet, KernelViewSet

urlpatterns = [
    path(
        "kernels",
        KernelListViewSet.as_view({"get": "index", "post": "create", "delete": "destroy_all"}),
        name="kernels",
    ),
    path(
        "kernels/<str:kernel_id>",
        KernelViewSet.as_view({"get": "retrieve", "delete": "destroy"}),
        name="kernel",
    ),
    path(
        "kernels/<str:kernel_id>/restart",
        KernelViewSet.as_view({"post": "restart"}),
        name="kernel-restart",
    ),
    path(
        "kernels/<str:kernel_id>/interrupt",
        KernelViewSet.as_view({"post": "interrupt"}),
        name="kernel-interrupt",
    ),
]
