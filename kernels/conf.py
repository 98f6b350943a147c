"""What the kernels app wants to know from the settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings

from kernels.runtime.types import Limits


@dataclass(frozen=True, slots=True)
class KernelSettings:
    """Settings of kernels and executions; times in seconds."""

    kernel_type: str
    runtime_dir: Path
    working_dir: Path
    environment: Mapping[str, str] = field(repr=False)
    startup_code: str
    #: Modules that the kernel host imports once for all kernels.
    preload: tuple[str, ...]
    #: Kernels that are started ahead.
    spares: int
    max_kernels: int
    start_timeout: float
    queue_limit: int
    execution_timeout: float
    max_retries: int
    limits: Limits


def kernel_settings() -> KernelSettings:
    """The settings as Django holds them."""
    configured: KernelSettings = settings.KERNELBOX
    return configured
