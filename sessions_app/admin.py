"""Sessions and the history of executions in the admin, to look at."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import F, QuerySet
from django.db.models.functions import Substr
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from kernels.admin_filters import LanguageFilter, StatusFilter
from kernels.admin_formats import NOTHING, age, badge, exact_moment, milliseconds, moment
from kernels.admin_support import ReadOnlyAdmin
from kernels.models import Kernel
from sessions_app.admin_filters import DayFilter, KernelFilter, SessionFilter
from sessions_app.admin_page import execution_page
from sessions_app.models import Execution, Session

#: Executions on the page of a session.
LATEST = 20
#: Characters of code that a list reads, and that it shows of the first line.
HEAD, LINE = 400, 90
#: What a list of executions shows. Code can have megabytes, outputs have.
LISTED = ("id", "status", "session_name", "language", "started_at", "duration_ms", "door")


@admin.register(Session)
class SessionAdmin(ReadOnlyAdmin):
    """Sessions by their last use."""

    keyset = ("last_used_at", "id")
    page_template = "admin/sessions_app/session/page.html"
    list_display = ("name", "language", "its_kernel", "kernel_status", "last_use", "history")
    list_filter = (LanguageFilter,)
    list_select_related = ("kernel",)
    search_fields = ("name",)
    search_help_text = "Part of a session's name."

    @admin.display(description="kernel")
    def its_kernel(self, session: Session) -> SafeString | str:
        """A link to its kernel."""
        return kernel_link(session.kernel) if session.kernel else NOTHING

    @admin.display(description="kernel's status")
    def kernel_status(self, session: Session) -> SafeString | str:
        """Whether its kernel lives."""
        return badge(session.kernel.status) if session.kernel else NOTHING

    @admin.display(description="last use")
    def last_use(self, session: Session) -> SafeString:
        """Time since it last ran something."""
        return age(session.last_used_at)

    @admin.display(description="history")
    def history(self, session: Session) -> SafeString:
        """A link to what it ran."""
        return history_link(session.name, "executions")

    def page_context(self, request: HttpRequest, row: Session) -> dict[str, Any]:
        """The session, its kernel, and what it ran last."""
        kernel = row.kernel
        facts = [
            ("Language", row.language),
            ("Kernel", kernel_link(kernel) if kernel else NOTHING),
            ("Kernel's status", badge(kernel.status) if kernel else NOTHING),
            ("Created", exact_moment(row.created_at)),
            ("Last used", exact_moment(row.last_used_at)),
            ("Id", row.pk.hex),
            *((f"Tag {name}", value) for name, value in row.tags.items()),
        ]
        latest = for_list(Execution.objects.filter(session_name=row.name))[:LATEST]
        rows = [
            (execution, moment(execution.started_at), badge(execution.status),
             first_line(execution), milliseconds(execution.duration_ms))
            for execution in latest
        ]  # fmt: skip
        return {"facts": facts, "latest": rows, "all": history_link(row.name, "All of them")}


@admin.register(Execution)
class ExecutionAdmin(ReadOnlyAdmin):
    """The history, newest first."""

    page_template = "admin/sessions_app/execution/page.html"
    list_display = ("started", "result", "session", "language", "line", "duration", "came_by")
    list_filter = (StatusFilter, LanguageFilter, DayFilter, SessionFilter, KernelFilter)
    search_fields = ("code", "output")
    search_help_text = "Part of the code or of the output, or an execution's id."

    class Media:
        css = {"all": ["sessions_app/execution.css"]}

    @admin.display(description="time")
    def started(self, execution: Execution) -> SafeString:
        """When it started."""
        return moment(execution.started_at)

    @admin.display(description="status")
    def result(self, execution: Execution) -> SafeString:
        """What came of it, in colour."""
        return badge(execution.status)

    @admin.display(description="session")
    def session(self, execution: Execution) -> SafeString | str:
        """The session, which is a link to what else it ran."""
        name = execution.session_name
        return NOTHING if name is None else history_link(name, name)

    @admin.display(description="code")
    def line(self, execution: Execution) -> SafeString:
        """The first line of the code, which is a link to the whole."""
        address = reverse("admin:sessions_app_execution_change", args=[execution.pk])
        return format_html('<a class="kb-line" href="{}">{}</a>', address, first_line(execution))

    @admin.display(description="duration")
    def duration(self, execution: Execution) -> str:
        """How long the kernel worked."""
        return milliseconds(execution.duration_ms)

    @admin.display(description="door")
    def came_by(self, execution: Execution) -> str:
        """The protocol that it came by."""
        return execution.get_door_display()

    def for_list(self, queryset: QuerySet[Execution]) -> QuerySet[Execution]:
        """Without outputs, and with no more of the code than its head."""
        return for_list(queryset)

    def page_context(self, request: HttpRequest, row: Execution) -> dict[str, Any]:
        """The execution, whole."""
        return execution_page(row)


def for_list(queryset: QuerySet[Execution]) -> QuerySet[Execution]:
    """The columns of a list."""
    return queryset.only(*LISTED).annotate(head=Substr(F("code"), 1, HEAD))


def first_line(execution: Execution) -> str:
    """The first line of code that is not empty, and whether more follows."""
    head: str = execution.head  # type: ignore[attr-defined]  # by for_list()
    lines = head.strip().splitlines()
    line = lines[0].rstrip() if lines else ""
    if len(line) > LINE:
        return line[: LINE - 1] + "…"
    return f"{line} …" if len(lines) > 1 else line or "(empty)"


def kernel_link(kernel: Kernel) -> SafeString:
    """A link to a kernel's page."""
    address = reverse("admin:kernels_kernel_change", args=[kernel.pk])
    return format_html('<a href="{}">{}</a>', address, kernel)


def history_link(session: str, label: str) -> SafeString:
    """A link to what a session ran."""
    address = reverse("admin:sessions_app_execution_changelist", query={"session": session})
    return format_html('<a href="{}">{}</a>', address, label)
