"""What each setting takes, what it refuses, and in which words."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from kernelbox_site.env import (
    UNLIMITED_CHARS,
    BadSetting,
    Environment,
    is_loopback,
    read_environment,
    unknown_settings,
)
from kernels.runtime.process import LONGEST_RUNTIME_DIR

#: A runtime folder that is short, whatever the temporary folder of whoever runs this is.
SHORT = {"KERNELBOX_RUNTIME_DIR": "/tmp/kb"}
VARIABLES = {f.metadata["variable"]: f.name for f in dataclasses.fields(Environment)}


def read(variable: str, raw: str, **others: str) -> Any:
    """What one setting comes to."""
    environment = read_environment(SHORT | {variable: raw} | others)
    return getattr(environment, VARIABLES[variable])


def refusal(**settings: str) -> str:
    """The sentence with which those settings are refused."""
    with pytest.raises(BadSetting) as refused:
        read_environment(SHORT | settings)
    return str(refused.value)


def test_without_any_variable_everything_has_its_default() -> None:
    assert read_environment({"KERNELBOX_HOME": "/srv/kb"}) == Environment(home=Path("/srv/kb"))


@pytest.mark.parametrize("variable", sorted(VARIABLES))
def test_a_variable_that_is_set_to_nothing_is_not_set(variable: str) -> None:
    assert read_environment({variable: ""}) == read_environment({})


@pytest.mark.parametrize(
    ("variable", "raw", "value"),
    [
        ("KERNELBOX_HOST", "::1", "::1"),
        ("KERNELBOX_PORT", "0", 0),
        ("KERNELBOX_PORT", "65535", 65535),
        ("KERNELBOX_TOKEN", "secret", "secret"),
        ("KERNELBOX_TOKEN", " secret\n", "secret"),
        ("KERNELBOX_TOKEN", "  ", ""),
        ("KERNELBOX_ALLOWED_HOSTS", "box.example", ("box.example",)),
        ("KERNELBOX_ALLOWED_HOSTS", " a.example, 10.0.0.7 ,[fd00::5],, ", ("a.example", "10.0.0.7", "[fd00::5]")),
        ("KERNELBOX_TRUSTED_PROXIES", "10.0.0.0/8, ::1,127.0.0.1", ("10.0.0.0/8", "::1", "127.0.0.1")),
        ("KERNELBOX_ROOT_PATH", "/kernelbox", "/kernelbox"),
        ("KERNELBOX_ROOT_PATH", "/tools/kernel-box_2/ ", "/tools/kernel-box_2"),
        ("KERNELBOX_ROOT_PATH", "/", ""),
        ("KERNELBOX_BODY_LIMIT", "1024", 1024),
        ("KERNELBOX_HOME", "/srv/kb", Path("/srv/kb")),
        ("KERNELBOX_RUNTIME_DIR", "/run/kb", Path("/run/kb")),
        ("DATABASE_URL", "postgres://u:p@h/n", "postgres://u:p@h/n"),
        ("KERNELBOX_KERNEL_TYPE", "python3", "python3"),
        ("KERNELBOX_STARTUP_CODE", " x = 1\n", " x = 1\n"),
        ("KERNELBOX_KERNEL_ENV", "AWS_REGION,EDITOR", ("AWS_REGION", "EDITOR")),
        ("KERNELBOX_MAX_KERNELS", "1", 1),
        ("KERNELBOX_START_TIMEOUT", "3600", 3600.0),
        ("KERNELBOX_EXECUTION_TIMEOUT", "0.1", 0.1),
        ("KERNELBOX_MAX_RETRIES", "100", 100),
        ("KERNELBOX_QUEUE_LIMIT", "1", 1),
        ("KERNELBOX_OUTPUT_CHAR_LIMIT", "0", 0),
        ("KERNELBOX_RICH_OUTPUT_BYTE_LIMIT", "0", 0),
        ("KERNELBOX_LOG_LEVEL", " debug ", "DEBUG"),
        ("KERNELBOX_DEBUG", "1", True),
        ("KERNELBOX_DEBUG", "Yes", True),
        ("KERNELBOX_DEBUG", "on", True),
        ("KERNELBOX_DEBUG", "TRUE", True),
        ("KERNELBOX_DEBUG", "0", False),
        ("KERNELBOX_DEBUG", "no", False),
        ("KERNELBOX_DEBUG", "Off", False),
        ("KERNELBOX_DEBUG", "false", False),
    ],
)  # fmt: skip
def test_a_good_value_is_read(variable: str, raw: str, value: object) -> None:
    assert read(variable, raw) == value


@pytest.mark.parametrize(
    ("variable", "raw", "what_is_wanted"),
    [
        ("KERNELBOX_PORT", "http", "a whole number from 0 to 65535"),
        ("KERNELBOX_PORT", "-1", "a whole number from 0 to 65535"),
        ("KERNELBOX_PORT", "65536", "a whole number from 0 to 65535"),
        ("KERNELBOX_PORT", "80.5", "a whole number from 0 to 65535"),
        ("KERNELBOX_PORT", " ", "a whole number from 0 to 65535"),
        ("KERNELBOX_ALLOWED_HOSTS", "https://box.example", "without scheme, port or wildcard"),
        ("KERNELBOX_ALLOWED_HOSTS", "box.example:8443", "without scheme, port or wildcard"),
        ("KERNELBOX_ALLOWED_HOSTS", "a.example, *", "without scheme, port or wildcard"),
        ("KERNELBOX_ALLOWED_HOSTS", ".example", "without scheme, port or wildcard"),
        ("KERNELBOX_ALLOWED_HOSTS", "fd00::5", "without scheme, port or wildcard"),
        ("KERNELBOX_TRUSTED_PROXIES", "*", "IP addresses or networks; '*' is neither"),
        ("KERNELBOX_TRUSTED_PROXIES", "10.0.0.1,proxy", "IP addresses or networks; 'proxy' is neither"),
        ("KERNELBOX_TRUSTED_PROXIES", "10.0.0.0/33", "IP addresses or networks"),
        ("KERNELBOX_ROOT_PATH", "kernelbox", "as in /kernelbox"),
        ("KERNELBOX_ROOT_PATH", "/kernel box", "as in /kernelbox"),
        ("KERNELBOX_ROOT_PATH", "/kernel//box", "as in /kernelbox"),
        ("KERNELBOX_ROOT_PATH", "/bøx", "as in /kernelbox"),
        ("KERNELBOX_ROOT_PATH", "https://box.example/", "as in /kernelbox"),
        ("KERNELBOX_BODY_LIMIT", "1023", "a whole number from 1024 to 2147483648"),
        ("KERNELBOX_BODY_LIMIT", "16M", "a whole number from 1024 to 2147483648"),
        ("KERNELBOX_MAX_KERNELS", "0", "a whole number from 1 to 100000"),
        ("KERNELBOX_START_TIMEOUT", "0.5", "a number of seconds from 1 to 3600"),
        ("KERNELBOX_EXECUTION_TIMEOUT", "0", "a number of seconds from 0.1 to 86400"),
        ("KERNELBOX_EXECUTION_TIMEOUT", "-1", "a number of seconds from 0.1 to 86400"),
        ("KERNELBOX_EXECUTION_TIMEOUT", "nan", "a number of seconds from 0.1 to 86400"),
        ("KERNELBOX_EXECUTION_TIMEOUT", "inf", "a number of seconds from 0.1 to 86400"),
        ("KERNELBOX_EXECUTION_TIMEOUT", "1 minute", "a number of seconds from 0.1 to 86400"),
        ("KERNELBOX_MAX_RETRIES", "0", "a whole number from 1 to 100"),
        ("KERNELBOX_QUEUE_LIMIT", "0", "a whole number from 1 to 100000"),
        ("KERNELBOX_OUTPUT_CHAR_LIMIT", "-1", f"a whole number from 0 to {UNLIMITED_CHARS}"),
        ("KERNELBOX_RICH_OUTPUT_BYTE_LIMIT", "x", "a whole number from 0 to 2147483648"),
        ("KERNELBOX_LOG_LEVEL", "verbose", "DEBUG, INFO, WARNING, ERROR or CRITICAL"),
        ("KERNELBOX_DEBUG", "maybe", "one of 1, 0, true, false, yes, no, on, off"),
    ],
)  # fmt: skip
def test_a_bad_value_is_refused_in_a_sentence_that_names_the_variable(
    variable: str, raw: str, what_is_wanted: str
) -> None:
    sentence = refusal(**{variable: raw})
    assert sentence.startswith(f"{variable} must ")
    assert what_is_wanted in sentence
    assert sentence.endswith(f"; it is {raw!r}.")


def test_folders_are_absolute_and_know_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert read("KERNELBOX_HOME", "~/kb") == tmp_path / "kb"
    assert read("KERNELBOX_HOME", "kb") == tmp_path / "kb"


def test_the_home_follows_the_desktop_s_rules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    assert read_environment(SHORT).home == tmp_path / ".local/share/kernelbox"
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert read_environment(SHORT).home == Path("/data/kernelbox")


# -- what goes together ----------------------------------------------------------------------


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "box.example"])
def test_others_can_reach_it_only_with_a_token(host: str) -> None:
    sentence = refusal(KERNELBOX_HOST=host)
    assert sentence == (
        f"KERNELBOX_HOST is {host}, which others can reach, and there is no KERNELBOX_TOKEN. "
        "Set a token, or listen on 127.0.0.1."
    )
    assert "no KERNELBOX_TOKEN" in refusal(KERNELBOX_HOST=host, KERNELBOX_TOKEN=" ")
    assert read("KERNELBOX_HOST", host, KERNELBOX_TOKEN="secret") == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.53", "::1", "[::1]", "localhost"])
def test_loopback_needs_none(host: str) -> None:
    assert is_loopback(host)
    assert read_environment(SHORT | {"KERNELBOX_HOST": host}).is_loopback


def test_a_runtime_folder_may_be_as_long_as_sockets_allow_and_no_longer() -> None:
    longest = "/" + "r" * (LONGEST_RUNTIME_DIR - 1)
    assert read("KERNELBOX_RUNTIME_DIR", longest) == Path(longest)
    sentence = refusal(KERNELBOX_RUNTIME_DIR=longest + "r")
    assert sentence.startswith(f"KERNELBOX_RUNTIME_DIR must be at most {LONGEST_RUNTIME_DIR} bytes")
    assert longest + "r" in sentence


def test_the_length_of_a_runtime_folder_is_counted_in_bytes() -> None:
    assert "bytes long" in refusal(KERNELBOX_RUNTIME_DIR="/" + "ö" * (LONGEST_RUNTIME_DIR // 2 + 1))


def test_each_home_has_a_short_runtime_folder_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    one = read_environment({"KERNELBOX_HOME": "/" + "a" * 200}).runtime_folder()
    other = read_environment({"KERNELBOX_HOME": "/b"}).runtime_folder()
    assert one != other
    assert one.parent == other.parent == Path("/run/user/7")
    assert len(str(one)) <= LONGEST_RUNTIME_DIR


def test_a_long_folder_of_the_desktop_s_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/" + "x" * 100)
    assert len(str(read_environment({}).runtime_folder())) <= LONGEST_RUNTIME_DIR


def test_no_limit_of_output_is_still_one() -> None:
    assert read_environment({"KERNELBOX_OUTPUT_CHAR_LIMIT": "0"}).output_chars == UNLIMITED_CHARS
    assert read_environment({"KERNELBOX_OUTPUT_CHAR_LIMIT": "7"}).output_chars == 7


# -- secrets and spelling --------------------------------------------------------------------


def test_secrets_are_in_no_repr() -> None:
    secrets = {"KERNELBOX_TOKEN": "s3cret-token", "DATABASE_URL": "postgres://u:s3cret-pw@h/n"}
    shown = repr(read_environment(SHORT | secrets))
    assert "KERNELBOX" not in shown
    assert "s3cret" not in shown


def test_variables_that_look_like_settings_and_are_none_are_listed() -> None:
    environ = dict.fromkeys(VARIABLES, "x") | {
        "KERNELBOX_TOKENS": "x",
        "KERNELBOX_ALLOWED_HOST": "x",
        "KERNELBOX_STORE_BACKEND": "sqlite",
        "OTHER_TOKEN": "x",
    }
    assert unknown_settings(environ) == ["KERNELBOX_ALLOWED_HOST", "KERNELBOX_TOKENS"]
