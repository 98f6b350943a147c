"""Lists of the admin by key: no count, no offset, and a search that ends.

Django's own change list counts what it shows, goes to a page by skipping those before it, and
searches the whole table. With a million rows each of them takes seconds. Here a page begins where
another ended, so the last is as fast as the first. Rows come along one index; what it cannot answer,
a search or a second filter, is looked at in so many of them, and the page says how far that got,
with a link to go on from there.
"""

from __future__ import annotations

import contextlib
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import PAGE_VAR, ChangeList
from django.core.exceptions import ValidationError
from django.db.models import Expression, Model, Q, QuerySet
from django.http import HttpRequest
from django.utils.timezone import is_naive

from kernels.admin_filters import split

#: Rows that one page looks at; docs/admin.md has what that takes.
WINDOW = 50_000
#: Characters of a search; SQLite takes 50,000 bytes.
LONGEST_QUERY = 1_000
BEFORE, AFTER = "before", "after"
_SEPARATOR = "~"


class Listed(Protocol):
    """What a change list by key asks of its admin."""

    #: The fields of the order, newest first: one that is unique, or two of which the last is.
    keyset: tuple[str, ...]

    def search_condition(self, text: str) -> Q:
        """Which rows hold a text."""

    def for_list(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The columns that a list needs, and no others."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a list: before a row, where the older ones are, or after it."""

    direction: str
    fields: tuple[str, ...]
    values: tuple[Any, ...]

    @classmethod
    def of(cls, row: Model, direction: str, fields: tuple[str, ...]) -> Place:
        """The place beside a row."""
        return cls(direction, fields, tuple(getattr(row, name) for name in fields))

    @classmethod
    def parse(cls, text: str, model: type[Model], fields: tuple[str, ...]) -> Place | None:
        """Read what :meth:`text` wrote; None for anything else."""
        direction, *texts = text.split(_SEPARATOR)
        if direction not in (BEFORE, AFTER) or len(texts) != len(fields):
            return None
        try:
            values = tuple(
                _field(model, name).to_python(value)
                for name, value in zip(fields, texts, strict=True)
            )
            if not all(map(_is_storable, values)):
                return None
        except (ValidationError, OverflowError):
            return None
        return cls(direction, fields, values)

    def text(self) -> str:
        """As it stands in an address."""
        shown = (v.isoformat() if isinstance(v, datetime) else str(v) for v in self.values)
        return _SEPARATOR.join((self.direction, *shown))

    def condition(self, *, inclusive: bool = False) -> Q:
        """What the rows on that side fulfil; with ``inclusive`` the row itself as well."""
        side = "lt" if self.direction == BEFORE else "gt"
        (*first, (name, value)) = zip(self.fields, self.values, strict=True)
        condition = Q(**{f"{name}__{side}{'e' if inclusive else ''}": value})
        for name, value in first:
            # The bound on the first field alone lets an index over both begin there.
            bound = Q(**{f"{name}__{side}e": value})
            condition = bound & (Q(**{f"{name}__{side}": value}) | condition)
        return condition


class KeysetChangeList(ChangeList):
    """A change list, newest first, one page after another; its admin is :class:`Listed`."""

    window = WINDOW

    @property
    def looked_through(self) -> str:
        """How many rows that is, legibly."""
        return f"{self.window:,}"

    def get_filters(self, request: HttpRequest) -> Any:
        """Refuse what Postgres cannot compare, and what SQLite cannot, before they are asked."""
        if len(self.query) > LONGEST_QUERY or any(
            "\0" in value for values in self.filter_params.values() for value in values
        ):
            raise IncorrectLookupParameters
        return super().get_filters(request)

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Expression | str]:
        """The one order that pages by key can have."""
        return [f"-{name}" for name in self._listed.keyset]

    def get_results(self, request: HttpRequest) -> None:
        """Read one page, and where the next ones are."""
        self.newest: str | None = None
        self.newer: str | None = None
        self.older: str | None = None
        self.goes_back = False
        #: The last row that was looked at, where the window was what ended it.
        self.looked_to: Model | None = None
        self._rows, self._to_look_at = self._asked(request)
        place = Place.parse(request.GET.get(PAGE_VAR, ""), self.model, self._listed.keyset)
        if place is None or not self._show(place):
            self._show_newest()
        self.result_count = self.full_result_count = len(self.result_list)
        self.show_full_result_count = self.can_show_all = self.multi_page = False
        self.show_admin_actions = True

    @property
    def _listed(self) -> Listed:
        listed: Any = self.model_admin
        return listed  # type: ignore[no-any-return]

    def _asked(self, request: HttpRequest) -> tuple[QuerySet[Any], Q]:
        """All rows in order, by the index that fits best, and what to look at in each of them."""
        rows = self.apply_select_related(self.root_queryset).order_by(
            *self.get_ordering(request, self.root_queryset)
        )
        rows, to_look_at = split(self.filter_specs, request, rows)
        if not self.query:
            return rows, to_look_at
        with contextlib.suppress(ValueError):
            by_id = rows.filter(pk=uuid.UUID(self.query))
            if by_id.exists():
                return by_id, to_look_at
        return rows, to_look_at & self._listed.search_condition(self.query)

    def _show_newest(self) -> None:
        self.result_list, following = self._read(self._rows, BEFORE)
        self.older = self._address(BEFORE, following)

    def _show(self, place: Place) -> bool:
        """Show the page at a place; False where nothing follows on the way to the newest."""
        if place.direction == BEFORE:
            rows, following = self._read(self._rows.filter(place.condition()), BEFORE)
            self.newer = self._address(AFTER, rows[0] if rows else None)
            self.older = self._address(BEFORE, following)
        else:
            towards_newest = self._rows.reverse().filter(place.condition())
            rows, following = self._read(towards_newest, AFTER)
            if following is None:
                return False
            rows.reverse()
            self.goes_back = True
            self.newer = self._address(AFTER, following)
            self.older = self._address(BEFORE, rows[-1] if rows else None)
        self.newest = self.get_query_string()
        self.result_list = rows
        return True

    def _read(self, found: QuerySet[Any], direction: str) -> tuple[list[Model], Model | None]:
        """The rows of a page in the order of ``found``, and the row beside which the next begins."""
        end = self._end_of_window(found) if self._to_look_at else None
        if end is not None:
            back = AFTER if direction == BEFORE else BEFORE
            found = found.filter(Place.of(end, back, self._listed.keyset).condition(inclusive=True))
        listed = self._listed.for_list(found.filter(self._to_look_at))
        rows = list(listed[: self.list_per_page + 1])
        if len(rows) > self.list_per_page:
            rows.pop()
            return rows, rows[-1]
        self.looked_to = end
        return rows, end

    def _end_of_window(self, found: QuerySet[Any]) -> Model | None:
        """The last row that a page may look at; None if there are fewer."""
        keys = found.select_related(None).only(*self._listed.keyset)
        last = self.window - 1
        row: Model | None = next(iter(keys[last : last + 1]), None)
        return row

    def _address(self, direction: str, row: Model | None) -> str | None:
        if row is None:
            return None
        place = Place.of(row, direction, self._listed.keyset)
        return self.get_query_string({PAGE_VAR: place.text()})


def _is_storable(value: Any) -> bool:
    """Whether a database takes it; raises :class:`OverflowError` for a time that has no UTC."""
    if not isinstance(value, datetime):
        return True
    value.astimezone(UTC)
    return not is_naive(value)


def _field(model: type[Model], name: str) -> Any:
    return model._meta.get_field(name)
