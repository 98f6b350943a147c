"""Filters of the history, by which a page comes from an index."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

from django.contrib.admin import ModelAdmin, SimpleListFilter
from django.contrib.admin.views.main import ChangeList
from django.db.models import F, QuerySet, Value
from django.db.models.functions import Coalesce
from django.db.models.lookups import GreaterThanOrEqual, LessThan
from django.http import HttpRequest
from django.utils import timezone

from kernels.admin_filters import MOST_VALUES, ValueFilter
from sessions_app.models import Session

#: Days that the filter offers; any other can be given in the address.
DAYS = 14
#: An id is made when an execution is asked for, which may wait for its turn before it starts.
LONGEST_WAIT = timedelta(hours=6)


class SessionFilter(ValueFilter):
    """By session: those used last, and the one that is chosen."""

    title = "session"
    parameter_name = "session"
    field = "session_name"
    rank = 1

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, str]]:
        """Names of sessions."""
        newest = Session.objects.order_by("-last_used_at").values_list("name", flat=True)
        names = list(newest[:MOST_VALUES])
        chosen = self.value()
        if chosen and chosen not in names:
            names.insert(0, chosen)
        return [(name, name) for name in names]


class KernelFilter(ValueFilter):
    """By kernel: only shown where a link has chosen one."""

    title = "kernel"
    parameter_name = "kernel"
    field = "kernel_id"
    rank = 0

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, str]]:
        """The kernel that is chosen."""
        chosen = self.value()
        return [(chosen, chosen)] if chosen else []

    def chosen(self) -> uuid.UUID | None:
        """Its id."""
        try:
            return uuid.UUID(self.value())
        except ValueError:
            return None


class DayFilter(SimpleListFilter):
    """By the day on which it started."""

    title = "day"
    parameter_name = "day"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, str]]:
        """The last days, and the one that is chosen."""
        today = timezone.localdate()
        days = [today - timedelta(days=number) for number in range(DAYS)]
        chosen = _day(self.value())
        if chosen is not None and chosen not in days:
            days.append(chosen)
        return [(day.isoformat(), _name(day, today)) for day in days]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """As ever, but for the words for no choice."""
        all_of_them, *days = super().choices(changelist)
        yield {**all_of_them, "display": "Any day"}
        yield from days

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Those that started on one day.

        Bounded by id as well, which has the time in its first digits: so the page comes from the
        primary key, in order, whatever else is asked.
        """
        day = _day(self.value())
        if day is None:
            return queryset
        start = timezone.make_aware(datetime.combine(day, time.min))
        end = start + timedelta(days=1)
        # An expression, which no index can answer: the one over the time is in another order.
        started_at = Coalesce(F("started_at"), F("started_at"))
        return queryset.filter(
            GreaterThanOrEqual(started_at, Value(start)),
            LessThan(started_at, Value(end)),
            id__gte=first_id(start - LONGEST_WAIT),
            id__lt=first_id(end),
        )


def first_id(moment: datetime) -> uuid.UUID:
    """The least of the time-ordered ids (RFC 9562, version 7) made at a time or later."""
    return uuid.UUID(int=round(moment.timestamp() * 1_000) << 80)


def _day(text: str | None) -> date | None:
    try:
        day = date.fromisoformat(text or "")
    except ValueError:
        return None
    # Before 1970 there are no such ids, and past the last year no next day.
    return day if 1970 < day.year < date.max.year else None


def _name(day: date, today: date) -> str:
    match (today - day).days:
        case 0:
            return "Today"
        case 1:
            return "Yesterday"
        case _:
            return f"{day:%a %-d %b}" + ("" if day.year == today.year else f" {day.year}")
