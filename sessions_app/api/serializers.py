"""The shapes of executions and sessions in requests and answers, with the words that Swagger shows."""

from __future__ import annotations

import math
from typing import Any

from rest_framework import serializers

from kernels.api.serializers import JSONObject, KernelSerializer, StrictCharField, TagsField
from kernels.runtime.types import ExecutionStatus
from sessions_app.models import Door

SHORTEST_TIMEOUT = 0.1
LONGEST_TIMEOUT = 86_400.0
MOST_ATTEMPTS = 100
LONGEST_LANGUAGE = 64

RESULT_STATUSES = [s.value for s in ExecutionStatus if s not in ("running", "unknown")]
EXECUTION_STATUSES = [s.value for s in ExecutionStatus]


class TimeoutField(serializers.FloatField):
    """Seconds, as a number."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=SHORTEST_TIMEOUT, max_value=LONGEST_TIMEOUT, **kwargs)

    def to_internal_value(self, data: Any) -> float:
        """The seconds; text and booleans are no numbers here."""
        if isinstance(data, bool) or not isinstance(data, (int, float)) or not math.isfinite(data):
            self.fail("invalid")
        return float(data)


class StrictIntegerField(serializers.IntegerField):
    """A whole number that must come as one."""

    def to_internal_value(self, data: Any) -> int:
        """The number; text, booleans and fractions are refused."""
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return int(data)


class CodeField(StrictCharField):
    """Code as it is: leading and trailing white space counts."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_blank=True, trim_whitespace=False, **kwargs)


class ExecuteSerializer(serializers.Serializer[JSONObject]):
    """What to run."""

    code = CodeField(help_text="The code to run.")
    language = StrictCharField(
        required=False,
        default="python",
        max_length=LONGEST_LANGUAGE,
        help_text="`python`, `bash` (through the Python kernel's `%%bash`), or the language of another installed kernel.",
    )
    timeout = TimeoutField(
        required=False,
        allow_null=True,
        default=None,
        help_text="Seconds it may run; null means `KERNELBOX_EXECUTION_TIMEOUT`. The wait for its turn does not count.",
    )


class MaxAttemptsField(StrictIntegerField):
    """How often to try."""

    def __init__(self) -> None:
        super().__init__(
            required=False,
            allow_null=True,
            default=None,
            min_value=1,
            max_value=MOST_ATTEMPTS,
            help_text="Attempts in all; null means `KERNELBOX_MAX_RETRIES`.",
        )


class ExecuteWithRetrySerializer(ExecuteSerializer):
    """What to run until it succeeds."""

    on_error_code = CodeField(
        required=False,
        allow_null=True,
        default=None,
        help_text="Run as the next attempt after each failure; null runs the same code again.",
    )
    max_attempts = MaxAttemptsField()


class ExecuteRetrySerializer(ExecuteSerializer):
    """What to run until it succeeds, with a replacement for each failure."""

    max_attempts = MaxAttemptsField()
    replacement_codes = serializers.ListField(
        child=CodeField(),
        required=False,
        default=list,
        max_length=MOST_ATTEMPTS,
        help_text="The first is run after the first failure, and so on; past the last, what ran before runs again.",
    )


class ErrorInfoSerializer(serializers.Serializer[JSONObject]):
    """An exception."""

    ename = serializers.CharField(help_text="Its type, `ZeroDivisionError` say.")
    evalue = serializers.CharField(help_text="Its message.")
    traceback = serializers.ListField(
        child=serializers.CharField(), help_text="Its traceback, with ANSI colours."
    )


class OutputItemSerializer(serializers.Serializer[JSONObject]):
    """One output, in the order in which it came."""

    kind = serializers.CharField(
        help_text="`stream`, `display_data`, `update_display_data`, `execute_result` or `error`."
    )
    text = serializers.CharField(allow_null=True, help_text="As plain text.")
    name = serializers.CharField(allow_null=True, help_text="`stdout` or `stderr`, of a stream.")
    data = serializers.DictField(  # type: ignore[assignment]
        help_text="By MIME type; images are base64."
    )
    metadata = serializers.DictField(help_text="By MIME type; the size of an image, say.")


class AttemptSerializer(serializers.Serializer[JSONObject]):
    """One attempt of an execution with retry."""

    attempt = serializers.IntegerField(help_text="Its number, from 1.")
    code = serializers.CharField(help_text="What it ran.")
    status = serializers.ChoiceField(choices=RESULT_STATUSES, help_text="What came of it.")
    output = serializers.CharField(help_text="Its stdout.")
    stderr = serializers.CharField(help_text="Its stderr.")
    error = ErrorInfoSerializer(allow_null=True, help_text="Its exception, or null.")


class OutcomeSerializer(serializers.Serializer[JSONObject]):
    """What came of an execution, without its rich outputs."""

    status = serializers.ChoiceField(
        choices=RESULT_STATUSES,
        help_text="What came of it. Code that raises is `error`, and no HTTP error.",
    )
    output = serializers.CharField(
        help_text="Stdout; past `KERNELBOX_OUTPUT_CHAR_LIMIT` characters its head and its tail."
    )
    stderr = serializers.CharField(help_text="Stderr, within the same limit.")
    return_value = serializers.CharField(
        allow_null=True,
        help_text="The last expression's value as plain text, within the same limit.",
    )
    execution_count = serializers.IntegerField(
        allow_null=True, help_text="The kernel's count of executions."
    )
    duration_ms = serializers.IntegerField(
        help_text="Milliseconds from when the code was sent to its end; of all attempts together."
    )
    queued_ms = serializers.IntegerField(
        help_text="Milliseconds it waited for its turn before that."
    )
    truncated = serializers.BooleanField(help_text="Whether any output was cut.")
    error = ErrorInfoSerializer(allow_null=True, help_text="The exception, or null.")
    state_lost = serializers.BooleanField(help_text="Whether the variables from before are gone.")
    state_lost_reason = serializers.CharField(allow_null=True, help_text="Why they are.")


class ExecutionResultSerializer(OutcomeSerializer):
    """What came of an execution."""

    outputs = OutputItemSerializer(many=True, help_text="Everything it put out, in order.")
    attempts = AttemptSerializer(many=True, help_text="The attempts of an execution with retry.")
    execution_id = serializers.CharField(help_text="Its id in the history: 32 hexadecimal digits.")


class ExecutionSummarySerializer(OutcomeSerializer):
    """One execution in a list: all but its rich outputs and attempts."""

    status = serializers.ChoiceField(
        choices=EXECUTION_STATUSES,
        help_text="What came of it; `running` while it runs, `unknown` if the server ended meanwhile.",
    )
    id = serializers.CharField(help_text="Its id: 32 hexadecimal digits, in the order of time.")
    code = serializers.CharField(
        help_text="What ran; in a list, past 10,000 characters its head and its tail."
    )
    language = serializers.CharField(help_text="In which language.")
    kernel_id = serializers.CharField(help_text="In which kernel.")
    kernel_name = serializers.CharField(allow_null=True, help_text="The kernel's name at the time.")
    session_name = serializers.CharField(allow_null=True, help_text="In which session.")
    started_at = serializers.DateTimeField(help_text="When it was sent, ISO 8601 in UTC.")
    finished_at = serializers.DateTimeField(
        allow_null=True, help_text="When it ended; null while it runs."
    )
    door = serializers.ChoiceField(choices=Door.values, help_text="How it came in.")
    asked_by = serializers.CharField(help_text="The address it came from.")


class ExecutionSerializer(ExecutionSummarySerializer):
    """One execution, whole."""

    outputs = OutputItemSerializer(many=True, help_text="Everything it put out, in order.")
    attempts = AttemptSerializer(many=True, help_text="The attempts of an execution with retry.")


class ExecutionPageSerializer(serializers.Serializer[JSONObject]):
    """A page of the history."""

    results = ExecutionSummarySerializer(many=True, help_text="Newest first.")
    next = serializers.CharField(allow_null=True, help_text="URL of the page with older ones.")
    previous = serializers.CharField(allow_null=True, help_text="URL of the page with newer ones.")
    page_size = serializers.IntegerField(help_text="Executions on a page at the most.")


class ExecutionQuerySerializer(serializers.Serializer[JSONObject]):
    """Which executions are listed."""

    session = serializers.CharField(required=False, help_text="Of the session of that name.")
    kernel = serializers.CharField(required=False, help_text="Of the kernel with that id or name.")
    status = serializers.ChoiceField(
        required=False, choices=EXECUTION_STATUSES, help_text="With that status."
    )
    language = serializers.CharField(required=False, help_text="In that language.")
    since = serializers.DateTimeField(
        required=False, help_text="Sent at or after that time, ISO 8601."
    )
    until = serializers.DateTimeField(required=False, help_text="Sent before that time, ISO 8601.")
    search = serializers.CharField(
        required=False,
        max_length=1_000,
        help_text="With that text in the code or in stdout, in any case.",
    )
    cursor = serializers.CharField(
        required=False, help_text="Where a page begins; taken from `next` or `previous`."
    )
    page_size = serializers.IntegerField(
        required=False, min_value=1, max_value=200, default=50, help_text="Executions on a page."
    )


class SessionCreateSerializer(serializers.Serializer[JSONObject]):
    """What a new session is labelled with."""

    tags = TagsField(required=False, default=dict, help_text="Labels, if the session is new.")


class SessionSerializer(serializers.Serializer[JSONObject]):
    """A session."""

    name = serializers.CharField(help_text="Its name.")
    language = serializers.CharField(help_text="Its language, which is that of its first call.")
    tags = serializers.DictField(
        child=serializers.CharField(), help_text="Labels that it was created with."
    )
    created_at = serializers.DateTimeField(help_text="When it was created, ISO 8601 in UTC.")
    last_used_at = serializers.DateTimeField(
        help_text="When it last ran something; up to a second behind."
    )
    kernel = KernelSerializer(allow_null=True, help_text="Its kernel; null if that was destroyed.")


class SessionListSerializer(serializers.Serializer[JSONObject]):
    """All sessions."""

    sessions = SessionSerializer(many=True, help_text="Oldest first.")


class SessionDestroyedSerializer(serializers.Serializer[JSONObject]):
    """That a session is gone."""

    destroyed = serializers.BooleanField(help_text="Always true: what could not be found is a 404.")


class InterruptedSerializer(serializers.Serializer[JSONObject]):
    """Whether there was something to interrupt."""

    interrupted = serializers.BooleanField(help_text="Whether something ran.")
