"""From a GA server event to the beta events that mean the same; new objects in the old order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from realtime.dialects.beta.names import (
    CONTENT_TYPES,
    FORMAT_NAMES,
    IMAGE,
    RENAMED,
    UNCHANGED,
    JsonObject,
    beta_path,
)


def beta_event(event: JsonObject, *, temperature: float) -> JsonObject | None:
    """Return a GA event as a beta event, None for one that the beta does not have.

    `temperature` is that of the session, or of the response where one is shown.
    """
    kind = event["type"]
    if _is_remote(event.get("item", {})):
        return None
    if kind in UNCHANGED:
        return event
    if kind in RENAMED:
        return {**event, "type": RENAMED[kind]}
    translate = _TRANSLATED.get(kind)
    return None if translate is None else translate(event, temperature)


def beta_session(
    session: Mapping[str, Any], *, temperature: float, client_secret: JsonObject | None = None
) -> JsonObject:
    """Return a GA session in the beta's flat form and key order."""
    if session["type"] == "transcription":
        return _transcription_session(session, client_secret)
    heard, spoken = session["audio"]["input"], session["audio"]["output"]
    return {
        "object": session["object"],
        "id": session["id"],
        "model": session["model"],
        "modalities": _modalities(session["output_modalities"]),
        "instructions": session["instructions"],
        "voice": spoken["voice"],
        "output_audio_format": FORMAT_NAMES[spoken["format"]["type"]],
        "tools": [tool for tool in session["tools"] if tool.get("type") == "function"],
        "tool_choice": session["tool_choice"],
        "temperature": temperature,
        "max_response_output_tokens": session["max_output_tokens"],
        "turn_detection": heard["turn_detection"],
        "speed": spoken["speed"],
        "tracing": session["tracing"],
        "truncation": session["truncation"],
        "prompt": session["prompt"],
        "expires_at": session["expires_at"],
        "input_audio_noise_reduction": heard["noise_reduction"],
        "input_audio_format": FORMAT_NAMES[heard["format"]["type"]],
        "input_audio_transcription": heard["transcription"],
        "client_secret": client_secret,
        "include": session["include"],
    }


def _transcription_session(
    session: Mapping[str, Any], client_secret: JsonObject | None
) -> JsonObject:
    heard = session["audio"]["input"]
    return {
        "id": session["id"],
        "object": session["object"],
        "expires_at": session["expires_at"],
        "modalities": ["audio", "text"],
        "turn_detection": heard["turn_detection"],
        "input_audio_format": FORMAT_NAMES[heard["format"]["type"]],
        "input_audio_transcription": heard["transcription"],
        "input_audio_noise_reduction": heard["noise_reduction"],
        "include": session["include"],
        "client_secret": client_secret,
    }


def _modalities(output: list[str]) -> list[str]:
    return ["audio", "text"] if "audio" in output else ["text"]


def _session_event(event: JsonObject, temperature: float) -> JsonObject:
    session = event["session"]
    prefix = "transcription_" if session["type"] == "transcription" else ""
    shown = beta_session(session, temperature=temperature)
    return {**event, "type": prefix + event["type"], "session": shown}


def _item_created(event: JsonObject, _temperature: float) -> JsonObject:
    return {**event, "type": "conversation.item.created", "item": _item(event["item"])}


def _with_item(event: JsonObject, _temperature: float) -> JsonObject:
    return {**event, "item": _item(event["item"])}


def _is_remote(item: Mapping[str, Any]) -> bool:
    """Say whether an item is of MCP, which the beta does not have (CONTRACT 18)."""
    return str(item.get("type", "")).startswith("mcp_")


def _item(item: Mapping[str, Any]) -> JsonObject:
    """Another client's picture is left out: the beta has no word for it."""
    shown = {"id": item["id"], "object": "realtime.item", **item}
    if "content" in shown:
        shown["content"] = [
            {**part, "type": CONTENT_TYPES.get(part["type"], part["type"])}
            for part in shown["content"]
            if part["type"] != IMAGE
        ]
    return shown


def _response_event(event: JsonObject, temperature: float) -> JsonObject:
    response = event["response"]
    spoken = response["audio"]["output"]
    shown = {
        "object": response["object"],
        "id": response["id"],
        "status": response["status"],
        "status_details": response["status_details"],
        "output": [_item(item) for item in response["output"] if not _is_remote(item)],
        "conversation_id": response["conversation_id"],
        "modalities": _modalities(response["output_modalities"]),
        "voice": spoken["voice"],
        "output_audio_format": FORMAT_NAMES[spoken["format"]["type"]],
        "temperature": temperature,
        "max_output_tokens": response["max_output_tokens"],
        "usage": response["usage"],
        "metadata": response["metadata"],
    }
    return {**event, "response": shown}


def _error(event: JsonObject, _temperature: float) -> JsonObject:
    """Say the path in the beta's words, in `param` and where the message quotes it."""
    error = event["error"]
    param = error["param"]
    if param is None or beta_path(param) == param:
        return event
    told = beta_path(param)
    message = error["message"].replace(f"'{param}'", f"'{told}'")
    return {**event, "error": {**error, "param": told, "message": message}}


_TRANSLATED: Mapping[str, Callable[[JsonObject, float], JsonObject]] = {
    "session.created": _session_event,
    "session.updated": _session_event,
    "conversation.item.added": _item_created,
    "conversation.item.retrieved": _with_item,
    "response.created": _response_event,
    "response.done": _response_event,
    "response.output_item.added": _with_item,
    "response.output_item.done": _with_item,
    "error": _error,
}
"""What is not named anywhere is not sent: `conversation.item.done`, for one."""
