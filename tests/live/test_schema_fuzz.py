"""Schemathesis reads the schema and calls every operation with what it allows, and what it does not."""

from __future__ import annotations

from typing import Any

import hypothesis
import pytest
import schemathesis
from drf_spectacular.generators import SchemaGenerator
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.server import Server

pytestmark = pytest.mark.any_database

#: Whatever is sent, the answer is one that the schema announces, in the shape that it announces.
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    """A server on which made-up names cannot start more than a few kernels."""
    return {"KERNELBOX_MAX_KERNELS": "2", "KERNELBOX_EXECUTION_TIMEOUT": "2"}


schema = schemathesis.openapi.from_dict(SchemaGenerator().get_schema(request=None, public=True))


@schema.parametrize()
@hypothesis.settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
def test_every_answer_is_one_that_the_schema_announces(
    case: schemathesis.Case[Any], server: Server
) -> None:
    case.call_and_validate(base_url=server.url, checks=CHECKS, timeout=30)
