"""Bad input is a sentence that names the field, and nothing comes of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import product
from typing import Any
from urllib.parse import quote

import pytest

from tests.api.conftest import Api, answered

EXECUTE = "/sessions/demo/execute"
WITH_RETRY = "/sessions/demo/execute_with_retry"
REPLACE = "/kernels/mine/execute/retry"
RUNS = (EXECUTE, WITH_RETRY, "/kernels/mine/execute", REPLACE)
WRITES = (*RUNS, "/kernels", "/sessions/demo")
NOT_TEXT = (1, 1.5, True, None, ["1+1"], {"a": "b"})


@pytest.fixture
async def untouched(api: Api) -> AsyncIterator[Api]:
    """A service in which the test must neither start a kernel, nor make a session, nor run code."""
    yield api
    assert api.launchers == []
    assert (await api.get("/sessions"))["sessions"] == []
    assert await api.history() == []


async def refusals(api: Api, path: str, *bodies: dict[str, Any]) -> list[dict[str, Any]]:
    """What is answered to bodies that must each be a 400."""
    return [answered(await api.client.post(path, json=body), 400) for body in bodies]


async def sentences(api: Api, path: str, field: str, *bodies: dict[str, Any]) -> list[str]:
    """What is said about a field, the only one that is wrong with these bodies."""
    said: list[str] = []
    for refused in await refusals(api, path, *bodies):
        assert refused.keys() == {field}
        assert isinstance(refused[field], list)
        said.append(" ".join(refused[field]))
    return said


async def test_code_must_be_there_and_be_text(untouched: Api) -> None:
    for path in RUNS:
        assert await sentences(untouched, path, "code", {}) == ["This field is required."]
        for said in await sentences(untouched, path, "code", *({"code": bad} for bad in NOT_TEXT)):
            assert said in ("Not a valid string.", "This field may not be null.")
        [said] = await sentences(untouched, path, "code", {"code": "a\0b"})
        assert said == "Null characters are not allowed."


async def test_code_may_be_empty_and_its_white_space_counts(api: Api) -> None:
    for code in ("", " ", "\n\n  x\n"):
        assert (await api.run("demo", code))["status"] == "success"
        assert (await api.history())[0]["code"] == code
    assert api.kernels[0].codes[-3:] == ["", " ", "\n\n  x\n"]


async def test_a_timeout_is_a_sensible_number_of_seconds(untouched: Api) -> None:
    cases = (
        (0, "greater than or equal to 0.1"),
        (-1, "greater than or equal to 0.1"),
        (0.05, "greater than or equal to 0.1"),
        (86_401, "less than or equal to 86400"),
        (1e300, "less than or equal to 86400"),
        (2**63, "less than or equal to 86400"),
        ("5", "A valid number is required."),
        ("NaN", "A valid number is required."),
        (True, "A valid number is required."),
        ([5], "A valid number is required."),
    )
    for path, (timeout, why) in product(RUNS, cases):
        [said] = await sentences(untouched, path, "timeout", {"code": "1+1", "timeout": timeout})
        assert why in said, (path, timeout)


async def test_a_number_that_json_does_not_know_is_no_json(untouched: Api) -> None:
    for number in ("NaN", "Infinity", "-Infinity", "1e999"):
        response = await untouched.client.post(
            EXECUTE,
            content=f'{{"code": "1+1", "timeout": {number}}}',
            headers={"Content-Type": "application/json"},
        )
        assert answered(response, 400)["detail"].startswith("The body is not valid JSON: ")


async def test_an_unknown_language_lists_those_there_are(untouched: Api, julia: str) -> None:
    for path in RUNS:
        body = {"code": "1+1", "language": "klingon"}
        assert await sentences(untouched, path, "language", body) == [
            "No installed kernel runs 'klingon'. Languages here: bash, julia, python."
        ]


async def test_a_language_is_a_short_text(untouched: Api) -> None:
    for path, language in product(RUNS, (*NOT_TEXT, "", " ", "x" * 65, "a\0b")):
        body = {"code": "1+1", "language": language}
        [said] = await sentences(untouched, path, "language", body)
        assert said, (path, language)


async def test_the_name_of_a_session_says_what_is_wrong_with_it(untouched: Api) -> None:
    for name, why in (
        ("", "A name has at least one character."),
        (" ", "A name has at least one character."),
        ("\t  ", "A name has at least one character."),
        ("x" * 129, "A name has at most 128 characters, not 129."),
        ("x" * 10_000, "A name has at most 128 characters, not 10000."),
        ("a/b", "A name has no slash."),
        ("a/", "A name has no slash."),
        ("/a", "A name has no slash."),
        ("a\0b", "A name has no control characters."),
        ("a\nb", "A name has no control characters."),
        ("a\n", "A name has no control characters."),
        ("\x1b[31m", "A name has no control characters."),
        ("a\x7f", "A name has no control characters."),
        ("a\x85", "A name has no control characters."),
    ):
        path = f"/sessions/{quote(name, safe='')}"
        client, body = untouched.client, {"code": "1+1"}
        for response in (
            await client.get(path),
            await client.delete(path),
            await client.post(path, json={}),
            await client.post(f"{path}/execute", json=body),
            await client.post(f"{path}/execute_with_retry", json=body),
            await client.post(f"{path}/interrupt"),
        ):
            assert answered(response, 400) == {"name": [why]}


@pytest.mark.parametrize("field", ["name", "session_name"])
async def test_the_names_of_a_kernel_are_held_to_the_same(untouched: Api, field: str) -> None:
    bad: list[Any] = ["", " ", "x" * 129, "a/b", "a\0b", "a\nb", "\x1b", 1, True, [], {}]
    for name in bad:
        [said] = await sentences(untouched, "/kernels", field, {field: name})
        assert said


async def test_the_number_of_attempts_is_a_whole_number_in_bounds(untouched: Api) -> None:
    cases = (
        (0, "greater than or equal to 1"),
        (-1, "greater than or equal to 1"),
        (101, "less than or equal to 100"),
        (10_000, "less than or equal to 100"),
        (2**70, "A valid integer is required."),
        ("3", "A valid integer is required."),
        (True, "A valid integer is required."),
        (2.0, "A valid integer is required."),
        ([1], "A valid integer is required."),
    )
    for path, (attempts, why) in product((WITH_RETRY, REPLACE), cases):
        body = {"code": "1+1", "max_attempts": attempts}
        [said] = await sentences(untouched, path, "max_attempts", body)
        assert why in said, (path, attempts)


async def test_the_repair_must_be_text(untouched: Api) -> None:
    bad: list[Any] = [1, True, [], {}, "a\0b"]
    for repair in bad:
        body = {"code": "1+1", "on_error_code": repair}
        [said] = await sentences(untouched, WITH_RETRY, "on_error_code", body)
        assert said in ("Not a valid string.", "Null characters are not allowed.")


async def test_replacements_are_a_list_of_texts(untouched: Api) -> None:
    cases: list[tuple[Any, str]] = [
        ("1+1", 'Expected a list of items but got type "str".'),
        ({"0": "1+1"}, 'Expected a list of items but got type "dict".'),
        (1, 'Expected a list of items but got type "int".'),
        (None, "This field may not be null."),
        (["1+1"] * 101, "Ensure this field has no more than 100 elements."),
    ]
    for codes, why in cases:
        body = {"code": "1+1", "replacement_codes": codes}
        assert await sentences(untouched, REPLACE, "replacement_codes", body) == [why]
    for bad in (1, None, True, ["1+1"]):
        codes = ["1+1", bad]
        body = {"code": "1+1", "replacement_codes": codes}
        [refused] = await refusals(untouched, REPLACE, body)
        assert refused.keys() == {"replacement_codes"}
        assert refused["replacement_codes"].keys() == {"1"}  # The one that is wrong.


async def test_tags_are_a_few_texts_by_name(untouched: Api) -> None:
    bad_name = "A tag's name has 1 to 128 characters and no NUL."
    cases: list[tuple[Any, str]] = [
        ([], 'Expected a dictionary of items but got type "list".'),
        ("a=b", 'Expected a dictionary of items but got type "str".'),
        (None, "This field may not be null."),
        ({str(n): "x" for n in range(101)}, "There are at most 100 tags."),
        ({"": "x"}, bad_name),
        ({"x" * 129: "x"}, bad_name),
        ({"a\0b": "x"}, bad_name),
    ]
    for path, (tags, why) in product(("/kernels", "/sessions/demo"), cases):
        assert await sentences(untouched, path, "tags", {"tags": tags}) == [why]
    for path, value in product(
        ("/kernels", "/sessions/demo"), (1, None, True, ["x"], "x" * 1_001, "a\0b")
    ):
        [refused] = await refusals(untouched, path, {"tags": {"good": "x", "bad": value}})
        assert refused.keys() == {"tags"}
        assert refused["tags"].keys() == {"bad"}


async def test_all_that_is_wrong_is_told_at_once(untouched: Api) -> None:
    body = {"timeout": "soon", "max_attempts": 0, "on_error_code": 1, "language": 1}
    [refused] = await refusals(untouched, WITH_RETRY, body)
    assert refused.keys() == {"code", *body}


async def test_a_body_that_is_no_json_object_is_a_400(untouched: Api) -> None:
    async def refused(path: str, content: bytes) -> str:
        headers = {"Content-Type": "application/json"}
        response = await untouched.client.post(path, content=content, headers=headers)
        return str(answered(response, 400)["detail"])

    broken = (b"{", b'{"code": }', b"{'code': '1+1'}", b"\xff\xfe", b'{"code": "\\ud800"}')
    for path, content in product(WRITES, broken):
        assert (await refused(path, content)).startswith("The body is not valid JSON: ")
    others = (b"[]", b'["code"]', b'"code"', b"1", b"null", b"true")
    for path, content in product(WRITES, others):
        assert await refused(path, content) == "The body must be a JSON object."


async def test_a_body_of_another_type_is_a_415(untouched: Api) -> None:
    types = (
        "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
        "text/json", "nonsense", "", "application/xml",
    )  # fmt: skip
    for path, content_type in product(WRITES, types):
        response = await untouched.client.post(
            path, content=b'{"code": "1+1"}', headers={"Content-Type": content_type}
        )
        assert answered(response, 415) == {
            "detail": f'Unsupported media type "{content_type}" in request.'
        }


async def test_a_body_without_a_type_is_a_415(untouched: Api) -> None:
    for path in WRITES:
        request = untouched.client.build_request("POST", path, content=b'{"code": "1+1"}')
        assert "content-type" not in request.headers
        assert (await untouched.client.send(request)).status_code == 415, path


async def test_json_may_say_its_character_set(api: Api) -> None:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    content = '{"code": "1+1"}'
    response = await api.client.post(EXECUTE, content=content, headers=headers)
    assert answered(response)["status"] == "success"


async def test_what_asks_for_kernels_is_checked(untouched: Api) -> None:
    refused = answered(await untouched.client.get("/kernels?refresh=perhaps"), 400)
    assert refused == {"refresh": ["Must be a valid boolean."]}


async def test_what_asks_for_the_history_is_checked(untouched: Api) -> None:
    for field, value in (
        ("status", "finished"), ("status", "Success"),
        ("page_size", "0"), ("page_size", "201"), ("page_size", "-1"), ("page_size", "ten"),
        ("page_size", "1.5"), ("page_size", "9" * 2_000),
        ("since", "yesterday"), ("since", "2026-13-01T00:00:00Z"), ("since", "1"),
        ("until", "tomorrow"), ("until", "0001-01-01T00:00:00+23:59"),
        ("search", "x" * 1_001), ("search", "a\0b"),
        ("session", "a\0b"), ("kernel", "a\0b"), ("language", "a\0b"), ("cursor", "a\0b"),
    ):  # fmt: skip
        refused = answered(await untouched.client.get("/executions", params={field: value}), 400)
        assert refused.keys() == {field}, (field, value)
        assert all(isinstance(said, str) for said in refused[field])
