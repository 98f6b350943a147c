"""How the admin writes statuses, times and durations."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

#: What stands where there is nothing.
NOTHING = "–"
_SPANS = (
    (timedelta(days=1), "d"),
    (timedelta(hours=1), "h"),
    (timedelta(minutes=1), "min"),
    (timedelta(seconds=1), "s"),
)


def badge(word: str) -> SafeString:
    """A status in its colour."""
    return format_html('<span class="kb-badge kb-{}">{}</span>', word, word.replace("_", " "))


def moment(value: datetime) -> SafeString:
    """A time to the second; the milliseconds and the zone show under the pointer."""
    return _timed(value, f"{timezone.localtime(value):%Y-%m-%d %H:%M:%S}")


def exact_moment(value: datetime | None) -> str:
    """A time to the millisecond, with its zone."""
    if value is None:
        return NOTHING
    local = timezone.localtime(value)
    return f"{local:%Y-%m-%d %H:%M:%S}.{local.microsecond // 1_000:03} {local:%Z}"


def age(value: datetime) -> SafeString:
    """How long ago something was, in its largest unit; the time itself shows under the pointer."""
    past = timezone.now() - value
    for span, unit in _SPANS:
        if past >= span:
            return _timed(value, f"{past // span} {unit}")
    return _timed(value, "now")


def milliseconds(value: int) -> str:
    """A duration, legible: ``12 ms``, ``1.5 s``, ``2 min 5 s``."""
    if value < 1_000:
        return f"{value} ms"
    if value < 60_000:
        return f"{value / 1_000:.1f} s"
    minutes, seconds = divmod(value // 1_000, 60)
    return f"{minutes} min {seconds} s"


def _timed(value: datetime, text: str) -> SafeString:
    shown = exact_moment(value)
    return format_html('<time datetime="{}" title="{}">{}</time>', value.isoformat(), shown, text)
