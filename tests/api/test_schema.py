"""The OpenAPI schema: valid, complete, and exactly what is answered."""

from __future__ import annotations

import re
from typing import Any

import pytest
from drf_spectacular.validation import validate_schema

from tests.api.conftest import Api, soon
from tests.scripted_cell import Cell, Gate

pytestmark = pytest.mark.any_database

#: Every operation, and the errors that it lists besides those that any request may get.
OPERATIONS = {
    "root": "",
    "health": "",
    "list_kernels": "400",
    "create_kernel": "400 409 413 415 429",
    "destroy_all_kernels": "",
    "get_kernel": "404",
    "destroy_kernel": "404",
    "restart_kernel": "404 409 429",
    "interrupt_kernel": "404",
    "execute_in_kernel": "400 404 409 413 415 429",
    "execute_with_retry_in_kernel": "400 404 409 413 415 429",
    "list_sessions": "",
    "get_or_create_session": "400 409 413 415 429",
    "get_session": "400 404",
    "destroy_session": "400 404",
    "interrupt_session": "400 404",
    "execute_in_session": "400 409 413 415 429",
    "execute_with_retry_in_session": "400 409 413 415 429",
    "list_executions": "400 404",
    "get_execution": "404",
}
ANY_REQUEST = {"401", "403", "421", "503"}
TAGS = {"Service", "Kernels", "Sessions", "Execution", "History"}
KINDS: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
}

Schema = dict[str, Any]


class Documented:
    """The schema as it is served."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.components: dict[str, Schema] = schema["components"]["schemas"]

    def operations(self) -> list[tuple[str, str, Schema]]:
        """Method, path and description of every operation."""
        return [
            (method.upper(), path, operation)
            for path, operations in self.schema["paths"].items()
            for method, operation in operations.items()
        ]

    def operation_of(self, method: str, path: str) -> Schema | None:
        """The operation that answers a request; None for a path that leads nowhere."""
        found = [
            (template, operation)
            for one, template, operation in self.operations()
            if one == method and re.fullmatch(re.sub(r"{\w+}", "[^/]+", template), path)
        ]
        return found[0][1] if found else None

    def check(self, value: Any, schema: Schema, where: str) -> None:
        """Assert that a value has the schema's type, and all of its fields and no others."""
        if value is None:
            assert schema.get("nullable"), where
            return
        if "$ref" in schema:
            self.check(value, self.components[schema["$ref"].rpartition("/")[2]], where)
        for part in schema.get("allOf", ()):
            self.check(value, part, where)
        assert value in schema.get("enum", [value]), where
        kind = schema.get("type")
        if kind == "array":
            assert isinstance(value, list), where
            for place, item in enumerate(value):
                self.check(item, schema["items"], f"{where}[{place}]")
        elif kind == "object":
            self._check_object(value, schema, where)
        elif kind is not None:
            assert isinstance(value, KINDS[kind]), where
            assert isinstance(value, bool) is (kind == "boolean"), where

    def _check_object(self, value: Any, schema: Schema, where: str) -> None:
        assert isinstance(value, dict), where
        fields: Any = schema.get("properties")
        if fields is None:
            fields = dict.fromkeys(value, schema["additionalProperties"])
        else:
            assert set(schema.get("required", ())) <= value.keys() <= fields.keys(), where
        for name, item in value.items():
            self.check(item, fields[name], f"{where}.{name}")


@pytest.fixture
async def documented(api: Api) -> Documented:
    """The schema that the service serves."""
    return Documented(await api.get("/openapi.json"))


async def test_the_schema_is_valid(documented: Documented) -> None:
    validate_schema(documented.schema)  # type: ignore[no-untyped-call]


async def test_every_operation_has_an_id_a_tag_and_a_summary(documented: Documented) -> None:
    operations = [operation for _, _, operation in documented.operations()]
    assert sorted(one["operationId"] for one in operations) == sorted(OPERATIONS)
    for operation in operations:
        [tag] = operation["tags"]
        assert tag in TAGS, operation["operationId"]
        assert re.fullmatch(r"[A-Z][^.]+", operation["summary"]), operation["operationId"]
        assert operation["description"], operation["operationId"]
    told = {tag["name"]: tag["description"] for tag in documented.schema["tags"]}
    assert told.keys() == TAGS
    assert all(told.values())


async def test_every_operation_lists_its_errors(documented: Documented) -> None:
    for _, _, operation in documented.operations():
        name = operation["operationId"]
        errors = {status for status in operation["responses"] if not status.startswith("2")}
        public = ANY_REQUEST - {"401"} if name == "health" else ANY_REQUEST
        assert errors == {*OPERATIONS[name].split()} | public, name
        for status in errors - {"503" if name == "health" else ""}:  # Which is a health too.
            assert operation["responses"][status]["description"], (name, status)


async def test_every_field_and_every_parameter_is_described(documented: Documented) -> None:
    fields = [
        (name, field, told.get("description"))
        for name, component in documented.components.items()
        for field, told in component.get("properties", {}).items()
    ]
    assert len(fields) > 100
    assert [one for one in fields if not one[2]] == []
    for _, path, operation in documented.operations():
        for parameter in operation.get("parameters", ()):
            assert parameter["description"], (path, parameter["name"])


async def test_every_answer_is_what_the_schema_says(api: Api, documented: Documented) -> None:
    await exercise_everything(api)
    answered: set[tuple[str, str]] = set()
    for answer in api.answers:
        request = answer.request
        operation = documented.operation_of(request.method, request.url.path)
        if operation is None:
            continue
        where = f"{request.method} {request.url} -> {answer.status_code}"
        assert str(answer.status_code) in operation["responses"], where
        [content] = operation["responses"][str(answer.status_code)]["content"].items()
        assert answer.headers["content-type"] == content[0], where
        if answer.status_code == 400 and "detail" not in answer.json():
            assert all(isinstance(said, list) for said in answer.json().values()), where
        else:
            documented.check(answer.json(), content[1]["schema"], where)
        answered.add((operation["operationId"], str(answer.status_code)))
    succeeded = {name for name, status in answered if status.startswith("2")}
    assert succeeded == OPERATIONS.keys()
    assert {status for _, status in answered} >= {"200", "201", "400", "404", "409", "415"}


async def exercise_everything(api: Api) -> None:
    """Have every operation answer, well and badly, with every kind of output in the results."""

    async def shows(cell: Cell) -> None:
        await cell.stdout("out\n")
        await cell.stderr("err\n")
        await cell.display({"text/plain": "x", "image/png": "aGk="}, display_id="a")
        await cell.update_display({"text/plain": "y"}, display_id="other")
        await cell.result("42")
        await cell.error("ValueError", "no", ["line"])

    api.scripts["show"] = shows
    gate = api.scripts["long"] = Gate()
    client, code = api.client, {"code": "show"}
    await client.post("/kernels", json={"name": "mine", "tags": {"a": "b"}})
    for path in ("/sessions/demo/execute", "/sessions/demo/execute_with_retry"):
        await client.post(path, json=code)
        await client.post(path, json={"code": 1})
        await client.post(path, content=b"code")
    for path in ("execute", "execute/retry", "restart", "interrupt"):
        for kernel in ("mine", "nobody"):
            await client.post(f"/kernels/{kernel}/{path}", json=code)
    running = api.begin("demo", "long")
    await soon(gate.entered.wait())
    await client.post("/sessions/demo/interrupt")
    for path in ("", "health", "kernels", "kernels?refresh=perhaps", "kernels/mine", "kernels/no"):
        await client.get(f"/{path}")
    for path in ("sessions", "sessions/demo", "sessions/no", "executions", "executions?status=no"):
        await client.get(f"/{path}")
    for row in (await client.get("/executions?page_size=2")).json()["results"]:
        await client.get(f"/executions/{row['id']}")
    await client.get("/executions?cursor=no")
    await client.get("/executions/no")
    gate.opened.set()
    await soon(running)
    await client.post("/kernels", json={"name": "mine"})
    await client.post("/sessions/demo", json={"tags": {}})
    await client.post("/sessions/demo", json={"tags": []})
    await client.delete("/sessions/demo")
    await client.delete("/sessions/demo")
    await client.delete("/kernels/mine")
    await client.delete("/kernels/mine")
    await client.post("/sessions/demo")
    await client.delete("/kernels")
    await client.get("/sessions")


async def test_every_example_of_a_request_works(api: Api, documented: Documented) -> None:
    await api.create(name="mine")
    tried = 0
    for method, path, operation in documented.operations():
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        for example in content.get("examples", {}).values():
            address = path.format(kernel_id="mine", name="demo")
            response = await api.client.request(method, address, json=example["value"])
            assert response.is_success, (address, response.text)
            tried += 1
    assert tried >= 6
