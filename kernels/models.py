"""The row of a kernel: what outlives its process."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from kernels.ids import new_id
from kernels.runtime.states import NAMED_STATES, KernelState


class Kernel(models.Model):
    """A kernel by its id, which stays when its process is restarted.

    Only the manager writes it. ``status`` moves by compare-and-set alone.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=128, null=True, blank=True)
    session_name = models.CharField(max_length=128, null=True, blank=True)
    language = models.CharField(max_length=64, default="python")
    kernelspec = models.CharField(max_length=128)
    status = models.CharField(
        max_length=16,
        choices=[(s.value, s.value) for s in KernelState],
        default=KernelState.STARTING,
        db_index=True,
    )
    status_reason = models.TextField(blank=True, default="")
    connection_file = models.CharField(max_length=255, blank=True, default="")
    tags = models.JSONField(default=dict, blank=True)
    attempt_count = models.PositiveIntegerField(default=0)
    runs = models.PositiveBigIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now, db_default=Now())
    last_used_at = models.DateTimeField(default=timezone.now, db_default=Now())

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["name"],
                condition=Q(status__in=sorted(NAMED_STATES)),
                name="kernel_name_is_unique_while_it_lives",
            ),
            models.UniqueConstraint(
                fields=["session_name"],
                condition=Q(status__in=sorted(NAMED_STATES)),
                name="session_has_one_kernel",
            ),
        ]
        indexes = [
            models.Index(fields=["session_name", "-id"], name="kernel_by_session"),
            models.Index(fields=["-last_used_at"], name="kernel_by_last_use"),
        ]

    def __str__(self) -> str:
        return self.name or self.kernel_id

    @property
    def kernel_id(self) -> str:
        """The id as the API shows it: 32 hexadecimal digits."""
        return uuid.UUID(str(self.id)).hex
