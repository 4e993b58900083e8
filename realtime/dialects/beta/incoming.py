"""From what a beta client sends to the GA event that means the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from realtime.dialects.beta.models import (
    BetaResponseCreate,
    BetaSessionUpdate,
    BetaTranscriptionUpdate,
    plain_choice,
)
from realtime.dialects.beta.names import (
    ACCEPTED,
    FORMATS,
    IMAGE,
    RESPONSE_PLACES,
    SESSION_PLACES,
    SUPPORTED,
    JsonObject,
)
from realtime.errors import InvalidValue
from realtime.events.faults import fault_of

_NOT_IN_GA = frozenset({"temperature", "client_secret"})
_CONTENT = ("input_text", "input_audio", "text", "audio")
_NOT_LISTENING = frozenset({*_NOT_IN_GA, "modalities"})


def ga_event(data: Any) -> Any:
    """Return a client's event in GA; what is no event at all is left to GA's own words.

    Raises:
        WireFault: what is wrong with it, in the beta's words.
    """
    kind = data.get("type") if isinstance(data, dict) else None
    if not isinstance(kind, str):
        return data
    if kind not in ACCEPTED:
        raise InvalidValue.unsupported(kind, SUPPORTED, param="type")
    translate = _TRANSLATED.get(kind)
    return data if translate is None else translate(data)


def temperature_of(data: Mapping[str, Any]) -> float | None:
    """Return the temperature that a valid event sets, None if it sets none."""
    fields = data.get("response" if data["type"] == "response.create" else "session")
    found = fields.get("temperature") if isinstance(fields, dict) else None
    return None if found is None else float(found)


def ga_session(fields: Mapping[str, Any]) -> JsonObject:
    """Return a valid flat conversation session in GA."""
    return {"type": "realtime", **_placed(fields, SESSION_PLACES, without=_NOT_IN_GA)}


def ga_transcription_session(fields: Mapping[str, Any]) -> JsonObject:
    """Return a valid flat transcription session in GA."""
    return {"type": "transcription", **_placed(fields, SESSION_PLACES, without=_NOT_LISTENING)}


def placed_response(fields: Mapping[str, Any]) -> JsonObject:
    """Return a valid flat response, or what is asked of one, in GA."""
    return _placed(fields, RESPONSE_PLACES, without=_NOT_IN_GA)


def _session_update(data: JsonObject) -> JsonObject:
    _check(BetaSessionUpdate, data)
    return {**data, "session": ga_session(data["session"])}


def _transcription_update(data: JsonObject) -> JsonObject:
    _check(BetaTranscriptionUpdate, data)
    session = ga_transcription_session(data["session"])
    return {**data, "type": "session.update", "session": session}


def _item_create(data: JsonObject) -> JsonObject:
    _check_images(data.get("item"), "item")
    return data


def _response_create(data: JsonObject) -> JsonObject:
    _check(BetaResponseCreate, data)
    if data.get("response") is None:
        return data
    for place, item in enumerate(data["response"].get("input") or ()):
        _check_images(item, f"response.input[{place}]")
    return {**data, "response": placed_response(data["response"])}


_TRANSLATED: Mapping[str, Callable[[JsonObject], JsonObject]] = {
    "session.update": _session_update,
    "transcription_session.update": _transcription_update,
    "conversation.item.create": _item_create,
    "response.create": _response_create,
}


def _check(model: type[BaseModel], data: JsonObject) -> None:
    try:
        model.model_validate(data)
    except ValidationError as error:
        raise fault_of(error, data) from None


def _check_images(item: Any, path: str) -> None:
    """Refuse a picture: the beta has none (CONTRACT 18), and could not show it."""
    content = item.get("content") if isinstance(item, dict) else None
    for place, part in enumerate(content if isinstance(content, list) else ()):
        if isinstance(part, dict) and part.get("type") == IMAGE:
            raise InvalidValue.unsupported(IMAGE, _CONTENT, param=f"{path}.content[{place}].type")


def _placed(
    fields: Mapping[str, Any], places: Mapping[str, str], *, without: frozenset[str]
) -> JsonObject:
    """Return the fields at their places in GA, with their values in GA's words."""
    placed: JsonObject = {}
    for name, value in fields.items():
        if name in without:
            continue
        *path, last = places.get(name, name).split(".")
        node = placed
        for step in path:
            node = node.setdefault(step, {})
        node[last] = _VALUES[name](value) if name in _VALUES else value
    return placed


def _modalities(value: list[str]) -> list[str]:
    return ["audio"] if "audio" in value else ["text"]


def _format(value: str | None) -> JsonObject | None:
    return None if value is None else dict(FORMATS[value])


def _turn_detection(value: JsonObject | None) -> JsonObject | None:
    return None if value is None or value["type"] == "none" else value


_VALUES: Mapping[str, Callable[[Any], Any]] = {
    "modalities": _modalities,
    "output_modalities": _modalities,
    "input_audio_format": _format,
    "output_audio_format": _format,
    "turn_detection": _turn_detection,
    "tool_choice": plain_choice,
}
