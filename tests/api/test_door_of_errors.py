"""Every error of ours has one HTTP status, and what is not ours is told without its inside."""

from __future__ import annotations

from typing import Any

import httpx
import orjson
import pytest
from django.core.exceptions import RequestDataTooBig
from django.db import DataError, InterfaceError, OperationalError

from kernelbox_site.handler import LeanASGIHandler
from kernels.api.errors import HTTP_STATUS, answer_for
from kernels.runtime import errors

pytestmark = pytest.mark.any_database

ANSWERS: list[tuple[errors.KernelBoxError, int]] = [
    (errors.KernelNotFound("mine"), 404),
    (errors.SessionNotFound("demo"), 404),
    (errors.ExecutionNotFound("0"), 404),
    (errors.KernelExists("mine"), 409),
    (errors.LanguageConflict("demo", "python", "julia"), 409),
    (errors.IllegalStep("starting", "restarting"), 409),
    (errors.KernelGone(), 409),
    (errors.UnknownLanguage("klingon", ["bash", "python"]), 400),
    (errors.QueueFull(1), 429),
    (errors.KernelLimitReached(1), 429),
    (errors.KernelStartFailed(), 503),
    (errors.HistoryUnavailable(), 503),
    (errors.ServiceStopping(), 503),
]


def kinds_of(error: type[errors.KernelBoxError]) -> set[type[errors.KernelBoxError]]:
    """All classes under one."""
    below = error.__subclasses__()
    return set(below).union(*(kinds_of(one) for one in below))


def test_every_error_has_a_status() -> None:
    every = kinds_of(errors.KernelBoxError)
    assert len(every) >= 13
    assert HTTP_STATUS.keys() == every


def test_every_error_is_tried_here() -> None:
    assert {type(error) for error, _ in ANSWERS} == kinds_of(errors.KernelBoxError)


@pytest.mark.parametrize(("error", "status"), ANSWERS, ids=lambda value: type(value).__name__)
def test_an_error_is_answered_with_its_sentence(error: errors.KernelBoxError, status: int) -> None:
    answer = answer_for(error, {})
    assert answer is not None
    assert answer.status_code == status
    if isinstance(error, errors.UnknownLanguage):
        assert answer.data == {"language": [str(error)]}
    else:
        assert answer.data == {"detail": str(error)}
    assert str(error).endswith((".", "mine", "demo", "0"))


@pytest.mark.parametrize(("error", "status"), ANSWERS, ids=lambda value: type(value).__name__)
def test_who_may_try_again_is_told_when(error: errors.KernelBoxError, status: int) -> None:
    answer = answer_for(error, {})
    assert answer is not None
    assert answer.headers.get("Retry-After") == ("1" if status in (429, 503) else None)


@pytest.mark.parametrize("error", [OperationalError("secret host"), InterfaceError("secret host")])
def test_a_database_that_does_not_answer_is_a_503_without_its_address(error: Exception) -> None:
    answer = answer_for(error, {})
    assert answer is not None
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert answer.data == {
        "detail": f"The database did not answer ({type(error).__name__}). Try again later."
    }


def test_a_body_that_is_too_large_is_a_413() -> None:
    answer = answer_for(RequestDataTooBig("Too large."), {})
    assert answer is not None
    assert (answer.status_code, answer.data) == (413, {"detail": "Too large."})


@pytest.mark.parametrize("error", [ValueError("a bug"), DataError("a bug"), KeyError("a bug")])
def test_a_fault_of_ours_is_in_no_map(error: Exception) -> None:
    assert answer_for(error, {}) is None


async def test_a_fault_of_ours_is_a_500_that_says_nothing_of_our_inside() -> None:
    async def without_state(scope: Any, receive: Any, send: Any) -> None:
        # Every view fails without what the server's lifespan puts there.
        await LeanASGIHandler()(scope, receive, send)

    transport = httpx.ASGITransport(without_state, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        for response in (
            await client.get("/kernels"),
            await client.post("/sessions/demo/execute", json={"code": "1+1"}),
        ):
            assert response.status_code == 500
            assert orjson.loads(response.content) == {
                "detail": "Something went wrong in the server; its log says what."
            }
