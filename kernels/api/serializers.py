"""The shapes of kernels in requests and answers, with the words that Swagger shows."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from kernels.api.names import LONGEST_NAME, check_name
from kernels.runtime.states import KernelState

JSONObject = dict[str, Any]


class StrictCharField(serializers.CharField):
    """Text that must come as text: DRF's own takes numbers and booleans for it."""

    def to_internal_value(self, data: Any) -> str:
        """The text as it came."""
        if not isinstance(data, str):
            self.fail("invalid")
        value: str = super().to_internal_value(data)
        return value


class NameField(StrictCharField):
    """The name of a kernel or a session."""

    default_validators = [check_name]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=LONGEST_NAME, trim_whitespace=False, **kwargs)


class TagsField(serializers.DictField):
    """Labels: text to text."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            child=StrictCharField(max_length=1_000, allow_blank=True, trim_whitespace=False),
            **kwargs,
        )

    def to_internal_value(self, data: Any) -> JSONObject:
        """The labels, of which there are at most 100."""
        if isinstance(data, dict) and len(data) > 100:
            raise serializers.ValidationError("There are at most 100 tags.")
        tags: JSONObject = super().to_internal_value(data)
        for name in tags:
            if not name or len(name) > LONGEST_NAME or "\0" in name:
                raise serializers.ValidationError(
                    f"A tag's name has 1 to {LONGEST_NAME} characters and no NUL."
                )
        return tags


class KernelCreateSerializer(serializers.Serializer[JSONObject]):
    """What a new kernel is called."""

    name = NameField(
        required=False, allow_null=True, default=None,
        help_text="Name by which the kernel can be called besides its id.",
    )  # fmt: skip
    session_name = NameField(
        required=False, allow_null=True, default=None,
        help_text="Session that the kernel is to belong to.",
    )  # fmt: skip
    tags = TagsField(required=False, default=dict, help_text="Labels of your own, text to text.")


class KernelSerializer(serializers.Serializer[JSONObject]):
    """A kernel."""

    kernel_id = serializers.CharField(
        help_text="Id: 32 hexadecimal digits, the same after a restart."
    )
    connection_file = serializers.CharField(
        help_text="Path of the Jupyter connection file on the server; empty while there is no process."
    )
    name = serializers.CharField(allow_null=True, help_text="Name, if it was given one.")
    created_at = serializers.DateTimeField(
        help_text="When the kernel was created, ISO 8601 in UTC."
    )
    last_used_at = serializers.DateTimeField(
        help_text="When it last ran something, ISO 8601 in UTC."
    )
    status = serializers.ChoiceField(
        choices=[state.value for state in KernelState],
        help_text="Where it is in its life; `running` means that it can be called, busy or not.",
    )
    session_name = serializers.CharField(allow_null=True, help_text="Session that it belongs to.")
    attempt_count = serializers.IntegerField(
        help_text="Attempts made by executions with retry; up to a second behind."
    )
    tags = serializers.DictField(
        child=serializers.CharField(), help_text="Labels that it was created with."
    )
    age_seconds = serializers.FloatField(help_text="Seconds since it was created.")
    language = serializers.CharField(help_text="Language that it runs.")
    busy = serializers.BooleanField(help_text="Whether it runs something now.")
    queue_length = serializers.IntegerField(help_text="Executions that wait for their turn.")
    runs = serializers.IntegerField(help_text="Executions so far; up to a second behind.")
    status_reason = serializers.CharField(
        help_text="Why it is in that status, where there is something to say."
    )


class KernelListSerializer(serializers.Serializer[JSONObject]):
    """All kernels."""

    kernels = KernelSerializer(
        many=True, help_text="Oldest first; destroyed ones are not among them."
    )


class KernelListQuerySerializer(serializers.Serializer[JSONObject]):
    """How kernels are listed."""

    refresh = serializers.BooleanField(
        required=False,
        default=False,
        help_text="Ask each kernel whether it lives first; up to 2 seconds.",
    )


class KernelStatusSerializer(serializers.Serializer[JSONObject]):
    """Whether a kernel lives."""

    alive = serializers.BooleanField(
        help_text="Whether its process lives and, when idle, answered within 2 seconds."
    )
    kernel = KernelSerializer(help_text="The kernel.")


class KernelDestroyedSerializer(serializers.Serializer[JSONObject]):
    """That a kernel is gone."""

    destroyed = serializers.BooleanField(help_text="Always true: what could not be found is a 404.")


class KernelsDestroyedSerializer(serializers.Serializer[JSONObject]):
    """Which kernels are gone."""

    destroyed = serializers.ListField(
        child=serializers.CharField(), help_text="Ids of the kernels that were destroyed."
    )


class ErrorSerializer(serializers.Serializer[JSONObject]):
    """What went wrong."""

    detail = serializers.CharField(help_text="A sentence that says what went wrong.")


class FieldErrorsSerializer(serializers.Serializer[JSONObject]):
    """What is wrong with the request: a list of sentences for each field, or `detail`."""

    detail = serializers.CharField(
        required=False, help_text="A sentence, where it is about no single field."
    )
