"""Faults that reach a client, with their wire fields (CONTRACT 16).

Each class fixes `type`, `code` and, where the session ends with it, the
WebSocket close code; `status` is the HTTP status of the same fault on REST. The
message is written for the developer at the other end and never holds internal
text.
"""

from __future__ import annotations

from collections.abc import Iterable


class WireFault(Exception):
    """A fault in the contract's envelope."""

    type: str = "invalid_request_error"
    code: str | None = None
    status: int = 400
    close_code: int | None = None

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        if code is not None:
            self.code = code

    @property
    def close_reason(self) -> str:
        """The reason text of the CLOSE frame that follows a fatal fault (CONTRACT 4)."""
        return f"{self.type}.{self.code}" if self.code else self.type


def quoted_list(values: Iterable[str], *, conjunction: str = "and") -> str:
    """Return `'a', 'b', and 'c'`, the way the service lists supported values."""
    quoted = [f"'{value}'" for value in values]
    if len(quoted) < 2:
        return "".join(quoted)
    if len(quoted) == 2:
        return f"{quoted[0]} {conjunction} {quoted[1]}"
    return f"{', '.join(quoted[:-1])}, {conjunction} {quoted[-1]}"


class InvalidValue(WireFault):
    """A value outside what the parameter takes."""

    code = "invalid_value"

    @classmethod
    def unsupported(cls, value: object, supported: Iterable[str], *, param: str) -> InvalidValue:
        """Return the fault that lists what would have been accepted."""
        names = list(supported)
        verb = "Supported values are" if len(names) > 1 else "Value must be"
        return cls(f"Invalid value: '{value}'. {verb}: {quoted_list(names)}.", param=param)


class InvalidJson(WireFault):
    """The frame is not JSON."""

    code = "invalid_json"


class InvalidEvent(WireFault):
    """The frame is no event."""

    code = "invalid_event"


class MissingParameter(WireFault):
    """A required parameter is absent."""

    code = "missing_required_parameter"

    def __init__(self, param: str) -> None:
        super().__init__(f"Missing required parameter: '{param}'.", param=param)


class UnknownParameter(WireFault):
    """A parameter that does not exist."""

    code = "unknown_parameter"

    def __init__(self, param: str) -> None:
        super().__init__(f"Unknown parameter: '{param}'.", param=param)


class UnsupportedOption(WireFault):
    """An option that the model does not have."""

    code = "unknown_parameter"

    def __init__(self, param: str) -> None:
        super().__init__(f"Unsupported option for this model: '{param}'.", param=param)


class ActiveResponse(WireFault):
    """A second response in the default conversation."""

    code = "conversation_already_has_active_response"

    def __init__(self, response_id: str) -> None:
        super().__init__(
            f"Conversation already has an active response in progress: {response_id}. "
            "Wait until the response is finished before creating a new one."
        )


class CancelNotActive(WireFault):
    """`response.cancel` with nothing to cancel."""

    code = "response_cancel_not_active"

    def __init__(self) -> None:
        super().__init__("Cancellation failed: no active response found")


class CommitEmpty(WireFault):
    """`input_audio_buffer.commit` of less than 100 ms."""

    code = "input_audio_buffer_commit_empty"

    def __init__(self, held_ms: float) -> None:
        super().__init__(
            "Error committing input audio buffer: buffer too small. Expected at least 100ms "
            f"of audio, but buffer only has {held_ms:.2f}ms of audio."
        )


class UnknownItem(WireFault):
    """An event names an item that is not in the conversation."""

    def __init__(self, verb: str, gerund: str, item_id: str) -> None:
        super().__init__(
            f"Error {gerund} item: the item with id '{item_id}' does not exist.",
            code=f"item_{verb}_invalid_item_id",
        )


class UnknownPreviousItem(WireFault):
    """`previous_item_id` names no item. The code is our choice (CONTRACT 16, unknown)."""

    code = "invalid_value"

    def __init__(self, item_id: str) -> None:
        super().__init__(
            f"Error adding item: the previous item with id '{item_id}' does not exist.",
            param="previous_item_id",
        )


class DuplicateItem(WireFault):
    """A client id that is already taken."""

    code = "item_create_duplicate_item_id"

    def __init__(self, item_id: str) -> None:
        super().__init__(f"Error adding item: an item with id '{item_id}' already exists.")


class NotTruncatable(WireFault):
    """Truncation of anything but assistant audio."""

    def __init__(self) -> None:
        super().__init__("Only model output audio messages can be truncated")


class TruncateTooLong(WireFault):
    """Truncation beyond the audio there is."""

    code = "invalid_value"

    def __init__(self, audio_ms: int, wanted_ms: int) -> None:
        super().__init__(
            f"Audio content of {audio_ms}ms is already shorter than {wanted_ms}ms",
            param="audio_end_ms",
        )


class AlreadyTruncated(WireFault):
    """A second truncation. The message is our choice (CONTRACT 16, unknown)."""

    code = "item_already_truncated"

    def __init__(self, item_id: str) -> None:
        super().__init__(
            f"Error truncating item: the item with id '{item_id}' is already truncated."
        )


class UnknownCall(WireFault):
    """A tool output for a call that was never made."""

    code = "invalid_tool_call_id"

    def __init__(self, call_id: str) -> None:
        super().__init__(
            f"Tool call ID '{call_id}' not found in conversation.", param="item.call_id"
        )


class NoUsableTool(WireFault):
    """`tool_choice` demands a tool and there is none (CONTRACT 8.5); code and message are ours."""

    code = "no_usable_tool"

    def __init__(self) -> None:
        super().__init__("A tool is required, but there is none that could be used.")


class ContextTooLong(WireFault):
    """The conversation does not fit and truncation is off; code and message are our choice."""

    code = "context_length_exceeded"

    def __init__(self, held_tokens: int, room_tokens: int) -> None:
        super().__init__(
            f"The conversation has {held_tokens} tokens after instructions and tools, but the "
            f"model can read {room_tokens}. Delete items or allow truncation."
        )


class NamedToolMissing(WireFault):
    """`tool_choice` names a tool that is not among the tools; code and message are ours."""

    code = "no_usable_tool"

    def __init__(self, name: str) -> None:
        super().__init__(f"Tool choice '{name}' not found in 'tools'.")


class VoiceLocked(WireFault):
    """Another voice after the model has spoken."""

    code = "cannot_update_voice"

    def __init__(self) -> None:
        super().__init__("Cannot update a conversation's voice if assistant audio is present.")


class SessionKindMismatch(WireFault):
    """An update of the other session type. The code is our choice (CONTRACT 16, unknown)."""

    code = "invalid_value"

    def __init__(self, *, sent: str, session: str) -> None:
        super().__init__(
            f"Passing a {sent} session update event to a {session} session is not allowed.",
            param="session.type",
        )


class TurnDetectionNotHere(WireFault):
    """A model that transcribes as it hears leaves turns to the client (CONTRACT 12)."""

    code = "invalid_value"

    def __init__(self) -> None:
        super().__init__(
            "Turn detection is not supported for this transcription model.",
            param="session.audio.input.turn_detection",
        )


class BufferNotHere(WireFault):
    """An output audio buffer exists only where the server plays (CONTRACT 7)."""

    code = "invalid_value"

    def __init__(self) -> None:
        super().__init__(
            "output_audio_buffer.clear is only supported for WebRTC and SIP sessions.",
            param="type",
        )


class PolicyDenied(WireFault):
    """Policy refused the action for a reason of its closed list; the remedy is in the message."""

    code = "policy_denied"
    status = 403
    close_code = 3003

    def __init__(self, message: str, *, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


class PolicyUnavailable(WireFault):
    """Policy could not be asked."""

    type = "server_error"
    code = "policy_unavailable"
    status = 503
    close_code = 1013

    def __init__(self, reason: str = "") -> None:
        super().__init__("Policy could not be asked. Please try again.")
        self.reason = reason


class SessionExpired(WireFault):
    """The session reached its longest duration."""

    code = "session_expired"
    close_code = 1001

    def __init__(self, minutes: int) -> None:
        super().__init__(f"Your session hit the maximum duration of {minutes} minutes.")

    @property
    def close_reason(self) -> str:
        """The sentence itself, as the live service closes (CONTRACT 4)."""
        return self.message


class InvalidApiKey(WireFault):
    """A credential that is wrong, revoked or expired; `masked` shows its ends only."""

    code = "invalid_api_key"
    status = 401
    close_code = 3000

    def __init__(self, masked: str) -> None:
        super().__init__(
            f"Incorrect API key provided: {masked}. You can find your API key at "
            "https://platform.openai.com/account/api-keys."
        )


class KeyForTranslations(WireFault):
    """A client secret of translations at another socket (CONTRACT 2); the sentence is ours."""

    status = 401
    close_code = 3000

    def __init__(self) -> None:
        super().__init__(
            "This ephemeral key opens translation sessions only.", code="invalid_api_key"
        )


class KeyNotForTranslations(WireFault):
    """A client secret of another kind of session at the translations' socket; ours too."""

    status = 401
    close_code = 3000

    def __init__(self) -> None:
        super().__init__(
            "This ephemeral key does not open translation sessions.", code="invalid_api_key"
        )


class KeyRevoked(WireFault):
    """The key of a live session was revoked; our sentence, the code of any void key."""

    close_code = 3000

    def __init__(self) -> None:
        super().__init__("The API key of this session was revoked.", code="invalid_api_key")


class MissingCredential(WireFault):
    """No credential at all."""

    status = 401
    close_code = 3000

    def __init__(self) -> None:
        super().__init__("Missing bearer or basic authentication in header")


class InvalidModel(WireFault):
    """A model name that no engine serves."""

    code = "invalid_model"
    close_code = 4000

    def __init__(self, model: str) -> None:
        super().__init__(
            f'Model "{model}" is not supported in realtime mode. See '
            "https://platform.openai.com/docs/models for a list of supported models."
        )


class TranscriptionModelHere(WireFault):
    """A transcription model where a realtime model belongs (CONTRACT 12)."""

    code = "invalid_model"
    close_code = 4000

    def __init__(self, model: str) -> None:
        super().__init__(
            f'Model "{model}" is a transcription model and cannot be used as the realtime '
            "session model."
        )


class ModelNotHere(WireFault):
    """A `model` in the query of a transcription session (CONTRACT 1); the code is our choice."""

    code = "invalid_value"
    close_code = 4000

    def __init__(self) -> None:
        super().__init__(
            "You must not provide a model parameter for transcription sessions", param="model"
        )


class MissingModel(WireFault):
    """Neither model nor intent nor call."""

    code = "missing_model"
    close_code = 4000

    def __init__(self) -> None:
        super().__init__(
            "You must provide a model parameter, for example "
            "wss://api.openai.com/v1/realtime?model=gpt-realtime-1.5"
        )


class BetaShapeDisabled(WireFault):
    """The retired beta dialect (CONTRACT 4)."""

    code = "beta_api_shape_disabled"
    close_code = 4000

    def __init__(self) -> None:
        super().__init__(
            "The Realtime Beta API is no longer supported. Please use /v1/realtime for the GA API."
        )


class ServerFault(WireFault):
    """Something broke on our side; nothing of it is told."""

    type = "server_error"
    status = 500
    close_code = 1011

    def __init__(self) -> None:
        super().__init__("The server had an error while processing your request. Sorry about that!")
