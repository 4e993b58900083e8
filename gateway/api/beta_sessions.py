"""The beta's ways to a client secret: `/realtime/sessions`, `/realtime/transcription_sessions`.

A flat session comes and goes (CONTRACT 3.5); the secret opens that session in
either dialect.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from gateway.api.body import json_object
from gateway.api.callers import project_caller
from gateway.api.faults import json_response
from gateway.api.minting import ExpiresAfter, Minted, mint
from gateway.identity.service import TEMPERATURE
from gateway.services import Services
from realtime.dialects.beta.incoming import ga_session, ga_transcription_session
from realtime.dialects.beta.models import (
    DEFAULT_TEMPERATURE,
    BetaFormat,
    BetaListening,
    BetaSessionIn,
)
from realtime.dialects.beta.names import beta_path
from realtime.dialects.beta.outgoing import beta_session
from realtime.errors import BetaShapeDisabled, WireFault
from realtime.events.base import Incoming, JsonObject
from realtime.events.client import session_in
from realtime.events.faults import fault_of
from realtime.session.config import (
    SemanticVad,
    ServerVad,
    Transcription,
    TranscriptionSemanticVad,
    TranscriptionServerVad,
)

BETA_TTL_S = 60
"""Where the sources differ, what the old SDK's types say: one minute (CONTRACT 2)."""


class BetaSecretWishes(Incoming):
    """When the secret ends; the old SDK has two names for it."""

    expires_after: ExpiresAfter | None = None
    expires_at: ExpiresAfter | None = None


class BetaSessionRequest(BetaSessionIn):
    """The session that the secret opens."""

    client_secret: BetaSecretWishes | None = None


class BetaTranscriptionSessionRequest(BetaListening):
    """The transcription session that the secret opens."""

    client_secret: BetaSecretWishes | None = None


class BetaClientSecret(BaseModel):
    """The secret."""

    value: str
    expires_at: int


class BetaSessionResponse(BaseModel):
    """The effective session with the secret that opens it."""

    object: Literal["realtime.session"]
    id: str
    model: str
    modalities: list[Literal["audio", "text"]]
    instructions: str
    voice: str | JsonObject
    output_audio_format: BetaFormat
    tools: list[JsonObject]
    tool_choice: str | JsonObject
    temperature: float
    max_response_output_tokens: int | Literal["inf"]
    turn_detection: ServerVad | SemanticVad | None
    speed: float
    tracing: str | JsonObject | None
    truncation: str | JsonObject
    prompt: JsonObject | None
    expires_at: int
    input_audio_noise_reduction: JsonObject | None
    input_audio_format: BetaFormat
    input_audio_transcription: Transcription | JsonObject | None
    client_secret: BetaClientSecret
    include: list[str] | None


class BetaTranscriptionSessionResponse(BaseModel):
    """The effective transcription session with the secret that opens it."""

    id: str
    object: Literal["realtime.transcription_session"]
    expires_at: int
    modalities: list[Literal["audio", "text"]]
    turn_detection: TranscriptionServerVad | TranscriptionSemanticVad | None
    input_audio_format: BetaFormat
    input_audio_transcription: Transcription | JsonObject | None
    input_audio_noise_reduction: JsonObject | None
    include: list[str] | None
    client_secret: BetaClientSecret


class BetaSessions:
    """The endpoints; what `OpenAI-Beta` says does not matter here."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def create(self, request: Request) -> Response:
        """Mint a secret for a conversation session."""
        return await self._create(request, BetaSessionRequest, ga_session)

    async def create_transcription(self, request: Request) -> Response:
        """Mint a secret for a transcription session."""
        return await self._create(
            request, BetaTranscriptionSessionRequest, ga_transcription_session
        )

    async def refuse(self, request: Request) -> Response:
        """Answer as the live service does since the beta ended."""
        await project_caller(self._services, request)
        raise BetaShapeDisabled

    async def _create(
        self,
        request: Request,
        model: type[BetaSessionRequest | BetaTranscriptionSessionRequest],
        translate: Callable[[Mapping[str, Any]], JsonObject],
    ) -> Response:
        principal = await project_caller(self._services, request)
        data = await json_object(request)
        try:
            asked = model.model_validate(data)
        except ValidationError as error:
            raise fault_of(error, data) from None
        session = translate(data)
        temperature = data.get(TEMPERATURE)
        kept = session if temperature is None else {**session, TEMPERATURE: temperature}
        try:
            minted = await mint(
                self._services,
                request,
                principal,
                session=session_in(session),
                sent=kept,
                ttl_s=_ttl_s(asked.client_secret),
            )
        except WireFault as fault:
            _reword(fault)
            raise
        return json_response(_shown(minted, temperature))


def _ttl_s(wishes: BetaSecretWishes | None) -> int:
    after = wishes and (wishes.expires_after or wishes.expires_at)
    return after.seconds if after else BETA_TTL_S


def _reword(fault: WireFault) -> None:
    """Say the path as it is in the body, which is the session itself."""
    if fault.param is not None:
        told = beta_path(fault.param).removeprefix("session.")
        fault.message = fault.message.replace(f"'{fault.param}'", f"'{told}'")
        fault.param = told


def _shown(minted: Minted, temperature: float | None) -> JsonObject:
    return beta_session(
        orjson.loads(orjson.dumps(minted.config)),
        temperature=DEFAULT_TEMPERATURE if temperature is None else float(temperature),
        client_secret={"value": minted.value, "expires_at": minted.expires_at},
    )
