"""Writes `openapi/realtime.yaml` from the code: `python -m gateway.api.openapi [--check]`.

OpenAPI 3.1. The socket's events stand under `components/schemas`, listed by
`x-realtime-client-events` and `x-realtime-server-events`.
"""

from __future__ import annotations

import sys
from typing import Any, Literal

import yaml
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from gateway import VERSION
from gateway.api.beta_sessions import (
    BetaSessionRequest,
    BetaSessionResponse,
    BetaTranscriptionSessionRequest,
    BetaTranscriptionSessionResponse,
)
from gateway.api.calls import ReferRequest, RejectRequest
from gateway.api.client_secrets import ClientSecretRequest
from gateway.api.documents import OPENAPI
from gateway.api.translation_secrets import TranslationSecretRequest
from realtime.events import translation
from realtime.events.client import MODELS
from realtime.events.schemas import TRANSLATION_EVENTS, server_event_schemas
from realtime.session.config import AnySessionConfig
from realtime.translation.config import TranslationSessionConfig

REFERENCE = "#/components/schemas/{model}"
Json = dict[str, Any]


class ErrorDetail(BaseModel):
    """What went wrong; `param` and `code` may be null."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorEnvelope(BaseModel):
    """Every error."""

    error: ErrorDetail


class ClientSecretResponse(BaseModel):
    """A minted secret with the effective session it is bound to."""

    value: str
    expires_at: int
    session: AnySessionConfig


class TranslationSecretResponse(BaseModel):
    """A minted secret with the translation session it is bound to."""

    value: str
    expires_at: int
    session: TranslationSessionConfig


class ModelObject(BaseModel):
    """A model name."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelList(BaseModel):
    """The models a key may use."""

    object: Literal["list"]
    data: list[ModelObject]


class PartReport(BaseModel):
    """One part's readiness."""

    name: str
    state: Literal["warming", "ready", "failed", "absent"]
    detail: str


class ReadyReport(BaseModel):
    """Every part's readiness."""

    ready: bool
    parts: list[PartReport]
    draining: bool


class Health(BaseModel):
    """The process answers."""

    status: Literal["ok"]


MODELS_SHOWN: tuple[type[BaseModel], ...] = (
    ErrorEnvelope,
    ClientSecretRequest,
    ClientSecretResponse,
    TranslationSecretRequest,
    TranslationSecretResponse,
    BetaSessionRequest,
    BetaSessionResponse,
    BetaTranscriptionSessionRequest,
    BetaTranscriptionSessionResponse,
    RejectRequest,
    ReferRequest,
    ModelObject,
    ModelList,
    ReadyReport,
    Health,
)


def _json(model: str, description: str) -> Json:
    schema = {"$ref": REFERENCE.format(model=model)}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _faults(*statuses: str) -> Json:
    return {status: _json("ErrorEnvelope", "A fault.") for status in statuses}


def _get(operation: str, model: str, description: str, *faults: str, open_: bool = False) -> Json:
    found: Json = {
        "operationId": operation,
        "responses": {"200": _json(model, description), **_faults(*faults)},
    }
    return found | ({"security": []} if open_ else {})


def _text(operation: str, media_type: str, description: str, *, kind: str = "string") -> Json:
    content = {media_type: {"schema": {"type": kind}}}
    responses = {"200": {"description": description, "content": content}}
    return {"operationId": operation, "security": [], "responses": responses}


def _mint(operation: str, asked: str, answered: str, description: str) -> Json:
    body = {"$ref": REFERENCE.format(model=asked)}
    return {
        "post": {
            "operationId": operation,
            "requestBody": {"content": {"application/json": {"schema": body}}},
            "responses": {
                "200": _json(answered, description),
                **_faults("400", "401", "403", "404", "413", "415", "429", "503"),
            },
        }
    }


def _paths() -> Json:
    model = {"name": "model", "in": "path", "required": True, "schema": {"type": "string"}}
    ready = _get("readiness", "ReadyReport", "Everything works.", open_=True)
    ready["responses"]["503"] = _json("ReadyReport", "Something does not work yet.")
    return {
        "/v1/realtime/client_secrets": _mint(
            "createClientSecret", "ClientSecretRequest", "ClientSecretResponse", "The secret."
        ),
        "/v1/realtime/translations/client_secrets": _mint(
            "createTranslationClientSecret",
            "TranslationSecretRequest",
            "TranslationSecretResponse",
            "The secret.",
        ),
        "/v1/realtime/sessions": _mint(
            "createBetaSession",
            "BetaSessionRequest",
            "BetaSessionResponse",
            "The flat session of the retired beta, with the secret.",
        ),
        "/v1/realtime/transcription_sessions": _mint(
            "createBetaTranscriptionSession",
            "BetaTranscriptionSessionRequest",
            "BetaTranscriptionSessionResponse",
            "The flat transcription session of the retired beta, with the secret.",
        ),
        **_call_paths(),
        "/v1/models": {"get": _get("listModels", "ModelList", "The models.", "401", "429")},
        "/v1/models/{model}": {
            "parameters": [model],
            "get": _get("retrieveModel", "ModelObject", "The model.", "401", "404", "429"),
        },
        "/healthz": {"get": _get("health", "Health", "It answers.", open_=True)},
        "/readyz": {"get": ready},
        "/metrics": {"get": _text("metrics", "text/plain", "Prometheus' text form.")},
        "/openapi.yaml": {
            "get": _text("openapi", "application/yaml", "This document.", kind="object")
        },
    }


CALL_CONTROLS: tuple[tuple[str, str, str | None], ...] = (
    ("hangup", "Ended.", None),
    ("accept", "Accepted; only calls that ring can be.", "RealtimeSessionIn"),
    ("reject", "Rejected; only calls that ring can be.", "RejectRequest"),
    ("refer", "Transferred; WebRTC calls cannot be.", "ReferRequest"),
)


def _call_paths() -> Json:
    sdp: Json = {"application/sdp": {"schema": {"type": "string"}}}
    parts = {"sdp": {"type": "string"}, "session": {"type": "string"}}
    form = {"schema": {"type": "object", "required": ["sdp"], "properties": parts}}
    answered: Json = {
        "description": "The SDP answer; `Location` is where the call is found.",
        "content": sdp,
        "headers": {"Location": {"schema": {"type": "string"}}},
    }
    form_or_sdp = {**sdp, "multipart/form-data": form}
    call = {"name": "call_id", "in": "path", "required": True, "schema": {"type": "string"}}
    controls = {
        f"/v1/realtime/calls/{{call_id}}/{control}": {
            "parameters": [call],
            "post": _control(control, description, body),
        }
        for control, description, body in CALL_CONTROLS
    }
    return {
        "/v1/realtime/calls": _offered("createCall", form_or_sdp, answered),
        "/v1/realtime/translations/calls": _offered("createTranslationCall", form_or_sdp, answered),
        "/v1/realtime": _offered("createBetaCall", sdp, answered),
        **controls,
    }


def _offered(operation: str, content: Json, answered: Json) -> Json:
    return {
        "post": {
            "operationId": operation,
            "parameters": [{"name": "model", "in": "query", "schema": {"type": "string"}}],
            "requestBody": {"content": content},
            "responses": {
                "201": answered,
                **_faults("400", "401", "403", "408", "413", "415", "429", "503"),
            },
        }
    }


def _control(control: str, description: str, body: str | None) -> Json:
    found: Json = {
        "operationId": f"{control}Call",
        "responses": {
            "200": {"description": description},
            **_faults("400", "401", "403", "404", "408", "413", "415", "429", "503"),
        },
    }
    if body is not None:
        schema = {"$ref": REFERENCE.format(model=body)}
        found["requestBody"] = {"content": {"application/json": {"schema": schema}}}
    return found


def _schemas() -> tuple[Json, list[str], list[str]]:
    """Return every schema, and the names of the client's and the server's events."""
    clients: list[type[BaseModel]] = [*MODELS.values(), *translation.MODELS.values()]
    asked = (ClientSecretRequest, TranslationSecretRequest)
    taken = [*clients, *asked, BetaSessionRequest, BetaTranscriptionSessionRequest]
    taken += [RejectRequest, ReferRequest]
    shown: list[tuple[type[BaseModel], JsonSchemaMode]] = [
        (model, "validation" if model in taken else "serialization")
        for model in (*clients, *MODELS_SHOWN)
    ]
    _, found = models_json_schema(shown, ref_template=REFERENCE)
    schemas: Json = dict(found["$defs"])
    events, shared = server_event_schemas(REFERENCE)
    more, more_shared = server_event_schemas(REFERENCE, TRANSLATION_EVENTS)
    client_names = [model.__name__ for model in MODELS.values()]
    return {**schemas, **shared, **more_shared, **more, **events}, client_names, list(events)


def document() -> Json:
    """Return the whole document."""
    schemas, clients, servers = _schemas()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "VoiceEngine",
            "version": VERSION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": "A self-hosted, drop-in replacement for the OpenAI Realtime API.",
        },
        "security": [{"bearer": []}],
        "paths": _paths(),
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "schemas": dict(sorted(schemas.items())),
        },
        "x-realtime-websocket": "/v1/realtime",
        "x-realtime-client-events": clients,
        "x-realtime-server-events": servers,
        "x-realtime-translations-websocket": "/v1/realtime/translations",
        "x-realtime-translations-client-events": [
            model.__name__ for model in translation.MODELS.values()
        ],
        "x-realtime-translations-server-events": [event.__name__ for event in TRANSLATION_EVENTS],
    }


def main() -> int:
    """Write the document, or compare it with the committed one."""
    text = yaml.safe_dump(document(), sort_keys=False, allow_unicode=True, width=100)
    if "--check" in sys.argv:
        same = OPENAPI.exists() and OPENAPI.read_text() == text
        print("openapi: good" if same else "openapi/realtime.yaml is stale: run `make openapi`")  # noqa: T201
        return 0 if same else 1
    OPENAPI.parent.mkdir(exist_ok=True)
    OPENAPI.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
