"""Sessions, and the history of executions, which outlives them and their kernels."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from kernels.ids import new_id
from kernels.models import Kernel
from kernels.runtime.types import ExecutionStatus


class Session(models.Model):
    """A name that owns a kernel and a history. Whoever inserts the row starts the kernel."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=128, unique=True)
    language = models.CharField(max_length=64, default="python")
    kernel = models.OneToOneField(
        Kernel, null=True, blank=True, on_delete=models.SET_NULL, related_name="session"
    )
    tags = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(default=timezone.now, db_default=Now())
    last_used_at = models.DateTimeField(default=timezone.now, db_default=Now())

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["-last_used_at"], name="session_by_last_use")]

    def __str__(self) -> str:
        return self.name


class Door(models.TextChoices):
    """The protocol by which an execution came in."""

    HTTP = "http", "HTTP"
    WEBSOCKET = "websocket", "WebSocket"


class Execution(models.Model):
    """One request to run code, and what came of it.

    It points to its kernel and session by id and name, not by foreign keys, so that it outlives
    them. Ids are time-ordered: newest first is ``-id``.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kernel_id = models.UUIDField()
    kernel_name = models.CharField(max_length=128, null=True, blank=True)
    session_id = models.UUIDField(null=True, blank=True)
    session_name = models.CharField(max_length=128, null=True, blank=True)
    door = models.CharField(max_length=16, choices=Door.choices, default=Door.HTTP)
    asked_by = models.CharField(max_length=255, blank=True, default="")
    language = models.CharField(max_length=64, default="python")
    code = models.TextField()
    status = models.CharField(
        max_length=24,
        choices=[(s.value, s.value) for s in ExecutionStatus],
        default=ExecutionStatus.RUNNING,
    )
    output = models.TextField(blank=True, default="")
    stderr = models.TextField(blank=True, default="")
    return_value = models.TextField(null=True, blank=True)
    error = models.JSONField(null=True, blank=True)
    outputs = models.JSONField(default=list, blank=True)
    attempts = models.JSONField(default=list, blank=True)
    execution_count = models.PositiveIntegerField(null=True, blank=True)
    started_at = models.DateTimeField(default=timezone.now, db_default=Now())
    finished_at = models.DateTimeField(null=True, blank=True)
    duration_ms = models.PositiveBigIntegerField(default=0)
    queued_ms = models.PositiveBigIntegerField(default=0)
    truncated = models.BooleanField(default=False)
    state_lost = models.BooleanField(default=False)
    state_lost_reason = models.TextField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["session_name", "-id"], name="execution_by_session"),
            models.Index(fields=["kernel_id", "-id"], name="execution_by_kernel"),
            models.Index(fields=["kernel_name", "-id"], name="execution_by_kernel_name"),
            models.Index(fields=["status", "-id"], name="execution_by_status"),
            models.Index(fields=["language", "-id"], name="execution_by_language"),
            models.Index(fields=["started_at"], name="execution_by_start"),
        ]

    def __str__(self) -> str:
        return uuid.UUID(str(self.id)).hex
