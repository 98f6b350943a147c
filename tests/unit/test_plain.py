"""Results as plain data: complete, ready for JSON, nothing copied."""

from __future__ import annotations

import dataclasses

import orjson

from kernels.runtime.plain import plain_result
from kernels.runtime.types import Attempt, ErrorInfo, ExecutionResult, ExecutionStatus, OutputItem

ERROR = ErrorInfo("ValueError", "no", ("line 1", "line 2"))
RESULT = ExecutionResult(
    status=ExecutionStatus.ERROR,
    output="out",
    stderr="err",
    error=ERROR,
    execution_count=4,
    outputs=(
        OutputItem("stream", "out", "stdout"),
        OutputItem(
            "display_data", "<x>", None, {"image/png": "iVBOR"}, {"image/png": {"width": 1}}
        ),
    ),
    attempts=(Attempt(1, "f()", ExecutionStatus.ERROR, "out", "err", ERROR),),
    state_lost=True,
    state_lost_reason="It died.",
    execution_id="e1",
)


def test_every_field_of_a_result_is_there() -> None:
    assert set(plain_result(RESULT)) == {field.name for field in dataclasses.fields(RESULT)}


def test_a_result_survives_json() -> None:
    plain = orjson.loads(orjson.dumps(plain_result(RESULT)))
    error = {"ename": "ValueError", "evalue": "no", "traceback": ["line 1", "line 2"]}
    assert plain["status"] == "error"
    assert plain["error"] == error
    assert plain["outputs"] == [
        {"kind": "stream", "text": "out", "name": "stdout", "data": {}, "metadata": {}},
        {
            "kind": "display_data",
            "text": "<x>",
            "name": None,
            "data": {"image/png": "iVBOR"},
            "metadata": {"image/png": {"width": 1}},
        },
    ]
    assert plain["attempts"] == [
        {
            "attempt": 1,
            "code": "f()",
            "status": "error",
            "output": "out",
            "stderr": "err",
            "error": error,
        }
    ]


def test_no_error_is_null() -> None:
    assert plain_result(ExecutionResult(ExecutionStatus.SUCCESS))["error"] is None


def test_rich_data_is_not_copied() -> None:
    assert plain_result(RESULT)["outputs"][1]["data"] is RESULT.outputs[1].data
