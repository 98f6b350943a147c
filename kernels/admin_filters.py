"""Filters of the admin's lists that stay fast where the lists are long."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib.admin import ListFilter, ModelAdmin, SimpleListFilter
from django.db.models import F, Model, Q, QuerySet, Value
from django.db.models.functions import Coalesce
from django.db.models.lookups import Exact
from django.http import HttpRequest

#: Values that a filter offers at most.
MOST_VALUES = 30


class ValueFilter(SimpleListFilter):
    """By one value of a column, for which there is an index in the order of the list.

    Of several such filters, the list walks along the index of one, and looks at each row whether it
    fits the others. It does not leave the choice to the database: SQLite has no statistics of a
    table that was never analysed, and may well walk along a million rows of Python to find the ten
    of a session.
    """

    field: str
    #: The filter with the least, of those that are chosen, is the one to walk along.
    rank: int

    def chosen(self) -> Any:
        """The value as the column has it; None for what no row has."""
        return self.value()

    def indexed(self) -> Q:
        """The condition as an index can answer it."""
        return Q(**{self.field: self.chosen()})

    def looked_at(self) -> Q:
        """The same condition as no index can answer it."""
        return Q(Exact(Coalesce(F(self.field), F(self.field)), Value(self.chosen())))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Those with the value."""
        if not self.value():
            return queryset
        return queryset.none() if self.chosen() is None else queryset.filter(self.indexed())


class StatusFilter(ValueFilter):
    """By status."""

    title = "status"
    parameter_name = field = "status"
    rank = 2

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, str]]:
        """All that there can be."""
        choices: list[tuple[str, str]] = model_admin.model._meta.get_field("status").choices
        return [(value, label.replace("_", " ")) for value, label in choices]


class LanguageFilter(ValueFilter):
    """By the language of the code."""

    title = "language"
    parameter_name = field = "language"
    rank = 3

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, str]]:
        """The languages that there are."""
        return [(value, value) for value in distinct_values(model_admin.model, "language")]


def distinct_values(model: type[Model], field: str) -> Iterator[str]:
    """The values of an indexed column, by one look into its index for each.

    ``SELECT DISTINCT`` reads the whole index instead, in SQLite and in Postgres.
    """
    values = model._default_manager.order_by(field).values_list(field, flat=True)
    value = values.first()
    for _ in range(MOST_VALUES):
        if value is None:
            return
        yield value
        value = values.filter(**{f"{field}__gt": value}).first()


def split(
    filters: Iterable[ListFilter], request: HttpRequest, rows: QuerySet[Any]
) -> tuple[QuerySet[Any], Q]:
    """The rows to walk along for the filters that are chosen, and what to look at in each."""
    values = []
    for spec in filters:
        if not isinstance(spec, ValueFilter):
            filtered = spec.queryset(request, rows)
            rows = rows if filtered is None else filtered
        elif spec.value():
            values.append(spec)
    if any(spec.chosen() is None for spec in values):
        return rows.none(), Q()
    to_look_at = Q()
    for number, spec in enumerate(sorted(values, key=lambda spec: spec.rank)):
        if number == 0:
            rows = rows.filter(spec.indexed())
        else:
            to_look_at &= spec.looked_at()
    return rows, to_look_at
