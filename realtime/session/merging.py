"""Adds what a request asks for to the session that its client secret is bound to (CONTRACT 3.3).

Both are JSON that was validated. Invariant: the sum configures a session as the secret's session
and then an update by the request's would (CONTRACT 6), whatever may not be updated aside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from realtime.turns.models import transcription_model

_LABEL_ONLY = {"type", "server_label"}
_OF_TRANSCRIPTION_MODELS = ("prompt", "keywords", "languages", "delay")


def merged_session(bound: Mapping[str, Any], sent: Mapping[str, Any]) -> dict[str, Any]:
    """Return the secret's session with what was sent."""
    merged = {**bound, **sent}
    if "audio" in bound and "audio" in sent:
        merged["audio"] = _audio(bound["audio"], sent["audio"])
    if bound.get("tools") and sent.get("tools"):
        merged["tools"] = _tools(bound["tools"], sent["tools"])
    if "tracing" in bound and (bound["tracing"] is None or sent.get("tracing") is not None):
        merged["tracing"] = bound["tracing"]  # once set it stays, unless it is disabled
    return merged


def _tools(bound: Sequence[Any], sent: Sequence[Any]) -> list[Any]:
    """An entry that only names a server means what was said of it before (CONTRACT 6.10)."""
    known = {tool["server_label"]: tool for tool in bound if tool.get("type") == "mcp"}
    return [
        known.get(tool["server_label"], tool) if tool.keys() == _LABEL_ONLY else tool
        for tool in sent
    ]


def _audio(bound: Any, sent: Any) -> Any:
    if not isinstance(bound, Mapping) or not isinstance(sent, Mapping):
        return bound if sent is None else sent
    merged = {**bound, **sent}
    for name in bound.keys() & sent.keys():
        merged[name] = _direction(bound[name], sent[name])
    return merged


def _direction(bound: Any, sent: Any) -> Any:
    """Merge `input` or `output`; a null asks for nothing there."""
    if not isinstance(bound, Mapping) or not isinstance(sent, Mapping):
        return bound if sent is None else sent
    merged = {**bound, **sent}
    for name, value in sent.items():
        below = bound.get(name)
        if not isinstance(below, Mapping) or not isinstance(value, Mapping):
            continue
        if name == "transcription":
            merged[name] = _transcription(below, value)
        elif name == "noise_reduction" or (
            name == "turn_detection" and below.get("type") == value.get("type")
        ):
            merged[name] = {**below, **value}
    return merged


def _transcription(bound: Mapping[str, Any], sent: Mapping[str, Any]) -> dict[str, Any]:
    """What another model was told is not this one's."""
    model = sent.get("model") or bound.get("model") or ""
    taken = transcription_model(str(model)).options
    kept = {
        name: value
        for name, value in bound.items()
        if name not in _OF_TRANSCRIPTION_MODELS or name in taken
    }
    merged = {**kept, **sent}
    return {**merged, "model": model} if model else merged
