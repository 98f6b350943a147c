"""Lists of the admin by key: no count, no offset, and a search that ends.

Django's own change list counts what it shows, goes to a page by skipping those before it, and
searches the whole table. With a million rows each of them takes seconds. Here a page begins where
another ended, so the last is as fast as the first; and a search looks at so many rows and says how
far it got, with a link to go on from there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import PAGE_VAR, ChangeList
from django.core.exceptions import ValidationError
from django.db.models import Expression, Model, Q, QuerySet
from django.http import HttpRequest
from django.utils.timezone import is_naive

#: Rows that one search looks at; docs/admin.md has what that takes.
SEARCH_WINDOW = 50_000
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
        except ValidationError:
            return None
        if any(isinstance(value, datetime) and is_naive(value) for value in values):
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

    search_window = SEARCH_WINDOW

    def get_filters(self, request: HttpRequest) -> Any:
        """Refuse what Postgres cannot compare, before it is asked."""
        if any("\0" in value for values in self.filter_params.values() for value in values):
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
        #: The last row that a search looked at, where its limit was what ended it.
        self.searched_to: Model | None = None
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

    def _show_newest(self) -> None:
        self.result_list, following = self._read(self.queryset, BEFORE)
        self.older = self._address(BEFORE, following)

    def _show(self, place: Place) -> bool:
        """Show the page at a place; False where nothing follows on the way to the newest."""
        if place.direction == BEFORE:
            rows, following = self._read(self.queryset.filter(place.condition()), BEFORE)
            self.newer = self._address(AFTER, rows[0] if rows else None)
            self.older = self._address(BEFORE, following)
        else:
            towards_newest = self.queryset.reverse().filter(place.condition())
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
        searched_to = self._end_of_search(found) if self.query else None
        if searched_to is not None:
            back = Place.of(
                searched_to, AFTER if direction == BEFORE else BEFORE, self._listed.keyset
            )
            found = found.filter(back.condition(inclusive=True))
        if self.query:
            found = found.filter(self._listed.search_condition(self.query))
        rows = list(self._listed.for_list(found)[: self.list_per_page + 1])
        if len(rows) > self.list_per_page:
            rows.pop()
            return rows, rows[-1]
        self.searched_to = searched_to
        return rows, searched_to

    def _end_of_search(self, found: QuerySet[Any]) -> Model | None:
        """The last row that a search may look at; None if there are fewer."""
        keys = found.select_related(None).only(*self._listed.keyset)
        last = self.search_window - 1
        row: Model | None = next(iter(keys[last : last + 1]), None)
        return row

    def _address(self, direction: str, row: Model | None) -> str | None:
        if row is None:
            return None
        place = Place.of(row, direction, self._listed.keyset)
        return self.get_query_string({PAGE_VAR: place.text()})


def _field(model: type[Model], name: str) -> Any:
    return model._meta.get_field(name)
