"""Kernels in the admin: what there is, what it does, and three things to do with it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString

from kernels.admin_actions import (
    ACTIONS,
    DESTROY,
    INTERRUPT,
    RESTART,
    activity,
    ask_or_do,
    manager_in,
)
from kernels.admin_filters import LanguageFilter, StatusFilter
from kernels.admin_formats import NOTHING, age, badge, exact_moment
from kernels.admin_keyset import KeysetChangeList
from kernels.admin_support import ReadOnlyAdmin
from kernels.models import Kernel
from kernels.runtime.states import KernelState

admin.site.site_header = "KernelBox"
admin.site.site_title = "KernelBox"
admin.site.index_title = "Kernels, sessions and what they ran"


class KernelChangeList(KeysetChangeList):
    """The rows, and what the kernels of this process do now."""

    def get_results(self, request: HttpRequest) -> None:
        """Read one page, and look at the live kernels."""
        super().get_results(request)
        manager = manager_in(request)
        for kernel in self.result_list:
            kernel.activity = activity(manager, kernel)


@admin.register(Kernel)
class KernelAdmin(ReadOnlyAdmin):
    """Kernels by their last use."""

    keyset = ("last_used_at", "id")
    page_template = "admin/kernels/kernel/page.html"
    list_display = ("label", "state", "doing", "owner", "language", "age", "last_use", "runs")
    list_filter = (StatusFilter, LanguageFilter)
    search_fields = ("name", "session_name")
    search_help_text = "Part of a kernel's name or of its session's."
    actions = ("interrupt", "restart", "destroy")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[KernelChangeList]:
        """With what the kernels do now."""
        return KernelChangeList

    @admin.display(description="name")
    def label(self, kernel: Kernel) -> str:
        """Its name, or its id where it has none."""
        return str(kernel)

    @admin.display(description="status")
    def state(self, kernel: Kernel) -> SafeString:
        """Its status in colour."""
        return badge(kernel.status)

    @admin.display(description="now")
    def doing(self, kernel: Kernel) -> str:
        """What it does at this moment."""
        return getattr(kernel, "activity", "") or NOTHING

    @admin.display(description="session")
    def owner(self, kernel: Kernel) -> str:
        """The session that owns it."""
        return kernel.session_name or NOTHING

    @admin.display(description="age")
    def age(self, kernel: Kernel) -> SafeString:
        """Time since it was made."""
        return age(kernel.created_at)

    @admin.display(description="last use")
    def last_use(self, kernel: Kernel) -> SafeString:
        """Time since it last ran something."""
        return age(kernel.last_used_at)

    @admin.action(description="Interrupt", permissions=["view"])
    def interrupt(
        self, request: HttpRequest, queryset: QuerySet[Kernel]
    ) -> TemplateResponse | None:
        """Interrupt what they run."""
        return ask_or_do(self, request, queryset, INTERRUPT)

    @admin.action(description="Restart", permissions=["view"])
    def restart(self, request: HttpRequest, queryset: QuerySet[Kernel]) -> TemplateResponse | None:
        """Restart them: same ids, no variables."""
        return ask_or_do(self, request, queryset, RESTART)

    @admin.action(description="Destroy", permissions=["view"])
    def destroy(self, request: HttpRequest, queryset: QuerySet[Kernel]) -> TemplateResponse | None:
        """End them for good."""
        return ask_or_do(self, request, queryset, DESTROY)

    def page_context(self, request: HttpRequest, row: Kernel) -> dict[str, Any]:
        """Everything about a kernel but the key of its connection."""
        doing = activity(manager_in(request), row)
        facts = [
            ("Status", badge(row.status)),
            ("Reason", row.status_reason),
            ("Now", doing),
            ("Id", row.kernel_id),
            ("Name", row.name),
            ("Session", row.session_name),
            ("Language", row.language),
            ("Kernelspec", row.kernelspec),
            ("Runs", row.runs),
            ("Attempts of retries", row.attempt_count),
            ("Created", exact_moment(row.created_at)),
            ("Last used", exact_moment(row.last_used_at)),
            ("Connection file", row.connection_file),
            *((f"Tag {name}", value) for name, value in row.tags.items()),
        ]
        possible = row.status != KernelState.DESTROYED
        return {
            "facts": [(label, value) for label, value in facts if value not in (None, "")],
            "actions": ACTIONS if possible else (),
        }
