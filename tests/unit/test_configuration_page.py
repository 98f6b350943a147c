"""``docs/configuration.md`` and ``kernelbox_site/env.py`` say the same."""

from __future__ import annotations

import dataclasses
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from kernelbox_site.env import BadSetting, Environment, read_environment

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()
SETTINGS = dataclasses.fields(Environment)


def shown(setting: dataclasses.Field[Any]) -> str:
    """The default as a reader of the page sees it."""
    words: str | None = setting.metadata["shown"]
    if words is not None:
        return words
    default = setting.default
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


def rows() -> list[tuple[str, str, str]]:
    """The page's tables: variable, default, meaning."""
    found = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*) \|$", PAGE, re.MULTILINE)
    return [(str(variable), str(default), str(meaning)) for variable, default, meaning in found]


def test_every_setting_is_in_a_table_with_its_default_and_its_meaning() -> None:
    known = [(s.metadata["variable"], shown(s), s.metadata["help"]) for s in SETTINGS]
    assert rows() == known


def test_the_tables_have_the_code_s_headings() -> None:
    source = inspect.getsource(Environment)
    in_code = re.findall(r'^    # (.+)$|"((?:KERNELBOX|DATABASE)_[A-Z_]+)",', source, re.MULTILINE)
    on_page = re.findall(r"^## (.+)$|^\| `([A-Z_]+)`", PAGE, re.MULTILINE)
    assert on_page == in_code


def test_the_page_names_no_variable_that_the_code_does_not_know() -> None:
    named = set(re.findall(r"\b(?:KERNELBOX_|DATABASE_)[A-Z_]*[A-Z]\b", PAGE))
    assert named == {setting.metadata["variable"] for setting in SETTINGS}


def test_its_example_of_a_bad_value_is_what_is_said() -> None:
    with pytest.raises(BadSetting) as refused:
        read_environment({"KERNELBOX_PORT": "http"})
    assert f"`kernelbox: {refused.value}`" in PAGE
