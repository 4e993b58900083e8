"""What kind of session a connection asks for: by its query, or by its client secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gateway.engines.engine import Engine
from gateway.engines.registry import Registry
from gateway.identity.principal import Principal
from gateway.sessions.opening import SessionKind
from gateway.sessions.translation_opening import KIND
from realtime.errors import (
    InvalidModel,
    InvalidValue,
    KeyForTranslations,
    MissingModel,
    ModelNotHere,
    SessionKindMismatch,
    TranscriptionModelHere,
)

TRANSCRIPTION: Final = "transcription"


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedSession:
    """The kind, the model's name (empty for transcription) and the engine that serves it."""

    kind: SessionKind
    model: str
    engine: Engine


def wanted_session(
    query: Mapping[str, str], caller: Principal, registry: Registry
) -> WantedSession:
    """Return what is asked for; what a client secret is bound to comes before the query.

    Raises:
        WireFault: nothing that could be served (CONTRACT 1, 4, 12).
    """
    bound = caller.session or {}
    if bound.get("type") == TRANSCRIPTION:
        return WantedSession(kind=TRANSCRIPTION, model="", engine=registry.transcriber)
    if bound.get("type") == KIND:
        raise KeyForTranslations
    if "intent" in query:
        if bound:
            raise SessionKindMismatch(sent=TRANSCRIPTION, session="realtime")
        return _by_intent(query, registry)
    model = str(bound.get("model") or query.get("model") or "")
    if not model:
        raise MissingModel
    engine = registry.resolve(model, caller)
    if engine is None:
        known = model in registry.transcription_models()
        raise TranscriptionModelHere(model) if known else InvalidModel(model)
    return WantedSession(kind="realtime", model=model, engine=engine)


def _by_intent(query: Mapping[str, str], registry: Registry) -> WantedSession:
    if query["intent"] != TRANSCRIPTION:
        fault = InvalidValue.unsupported(query["intent"], [TRANSCRIPTION], param="intent")
        fault.close_code = 4000
        raise fault
    if "model" in query:
        raise ModelNotHere
    return WantedSession(kind=TRANSCRIPTION, model="", engine=registry.transcriber)
