"""The strict base of everything a client may send, and its shared value types."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from realtime.events.faults import CUSTOM_TYPE, json_kind

JsonObject = dict[str, Any]

MAX_EVENT_ID_CHARS = 512
MAX_METADATA_PAIRS = 16
MAX_OUTPUT_TOKENS = 4096


class Incoming(BaseModel):
    """Strict, frozen, and closed: a key that is not declared is a fault."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, defer_build=False)

    def has(self, name: str) -> bool:
        """Say whether the client sent the field at all (absent and null differ)."""
        return name in self.model_fields_set


def custom_fault(code: str, message: str) -> PydanticCustomError:
    """Return a validator's fault; `{param}` in the message becomes the dotted path."""
    return PydanticCustomError(CUSTOM_TYPE, "{message}", {"code": code, "message": message})


def _output_limit(value: object) -> object:
    """`"inf"` or 1..4096; a plain union would report two findings for one fault."""
    if value == "inf":
        return value
    if isinstance(value, bool) or not isinstance(value, int):
        raise custom_fault(
            "invalid_type",
            "Invalid type for '{param}': expected an integer or 'inf', "
            f"but got {json_kind(value)} instead.",
        )
    if value < 1:
        raise custom_fault(
            "integer_below_min_value",
            "Invalid '{param}': integer below minimum value. "
            f"Expected a value >= 1, but got {value} instead.",
        )
    if value > MAX_OUTPUT_TOKENS:
        raise custom_fault(
            "integer_above_max_value",
            "Invalid '{param}': integer above maximum value. "
            f"Expected a value <= {MAX_OUTPUT_TOKENS}, but got {value} instead.",
        )
    return value


OutputLimit = Annotated[int | Literal["inf"], BeforeValidator(_output_limit)]


def _one_modality(value: list[str]) -> list[str]:
    if value not in (["audio"], ["text"]):
        raise custom_fault(
            "invalid_value",
            f"Invalid modalities: {value}. Supported combinations are: ['text'] and ['audio'].",
        )
    return value


Modalities = Annotated[list[Literal["text", "audio"]], AfterValidator(_one_modality)]

MetadataValue = Annotated[str, Field(max_length=512)]
Metadata = Annotated[dict[str, MetadataValue], Field(max_length=MAX_METADATA_PAIRS)]


def _metadata_keys(value: dict[str, str]) -> dict[str, str]:
    for key in value:
        if len(key) > 64:
            raise custom_fault(
                "string_above_max_length",
                "Invalid key in '{param}': string too long. Expected a string with maximum "
                f"length 64, but got a string with length {len(key)} instead.",
            )
    return value


CheckedMetadata = Annotated[Metadata, AfterValidator(_metadata_keys)]

EventId = Annotated[str, Field(max_length=MAX_EVENT_ID_CHARS)]
