"""Where the views of sessions, executions and history are."""

from __future__ import annotations

from django.urls import path, re_path

from sessions_app.api.history_views import ExecutionViewSet
from sessions_app.api.views import KernelExecutionViewSet, SessionListViewSet, SessionViewSet

# A session's name takes whatever stands there, slashes and nothing included, so that a bad one is
# answered by a sentence about names and not by "not found".
_NAME = r"^sessions/(?P<name>[\s\S]*)"

urlpatterns = [
    path(
        "kernels/<str:kernel_id>/execute",
        KernelExecutionViewSet.as_view({"post": "execute"}),
        name="kernel-execute",
    ),
    path(
        "kernels/<str:kernel_id>/execute/retry",
        KernelExecutionViewSet.as_view({"post": "execute_with_retry"}),
        name="kernel-execute-retry",
    ),
    path("sessions", SessionListViewSet.as_view({"get": "index"}), name="sessions"),
    re_path(
        _NAME + r"/execute\Z", SessionViewSet.as_view({"post": "execute"}), name="session-execute"
    ),
    re_path(
        _NAME + r"/execute_with_retry\Z",
        SessionViewSet.as_view({"post": "execute_with_retry"}),
        name="session-execute-with-retry",
    ),
    re_path(
        _NAME + r"/interrupt\Z",
        SessionViewSet.as_view({"post": "interrupt"}),
        name="session-interrupt",
    ),
    re_path(
        _NAME + r"\Z",
        SessionViewSet.as_view({"get": "retrieve", "post": "create", "delete": "destroy"}),
        name="session",
    ),
    path("executions", ExecutionViewSet.as_view({"get": "index"}), name="executions"),
    path(
        "executions/<str:execution_id>",
        ExecutionViewSet.as_view({"get": "retrieve"}),
        name="execution",
    ),
]
