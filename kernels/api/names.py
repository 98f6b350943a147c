"""What a name of a kernel or a session may be."""

from __future__ import annotations

import unicodedata

from rest_framework.exceptions import ValidationError

LONGEST_NAME = 128


def check_name(value: str) -> None:
    """Raise a validation error that says what is wrong with a name."""
    if not value.strip():
        raise ValidationError("A name has at least one character.")
    if len(value) > LONGEST_NAME:
        raise ValidationError(f"A name has at most {LONGEST_NAME} characters, not {len(value)}.")
    if "/" in value:
        raise ValidationError("A name has no slash.")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in value):
        raise ValidationError("A name has no control characters.")


def check_path_name(field: str, value: str) -> None:
    """The same for a name in a URL; the error names the field."""
    try:
        check_name(value)
    except ValidationError as error:
        raise ValidationError({field: error.detail}) from error
