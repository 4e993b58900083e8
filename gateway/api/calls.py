"""`POST /v1/realtime/calls`, its twins and the calls' controls (CONTRACT 3.3, 3.4, 13, 14, 18)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import orjson
from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from gateway.api.body import json_object
from gateway.api.faults import UnsupportedMediaType
from gateway.api.rates import count_request
from gateway.identity.headers import bearer, safety_identifier
from gateway.identity.principal import Principal
from gateway.ingress.webrtc.network import Network
from gateway.ingress.webrtc.offer import MOST_SDP_BYTES
from gateway.ingress.webrtc.opening import CallOpening
from gateway.ingress.webrtc.pacer import Pacer
from gateway.ingress.webrtc.translations import TranslationCallOpening
from gateway.services import Services
from gateway.sessions.call_admission import ACCEPT, HANG_UP, REFER, REJECT, controlled_call
from gateway.sessions.calls import Call, CallNotRinging, ReferNotSupported
from gateway.sessions.translation_opening import KIND, translation_session_in
from realtime.errors import (
    BetaShapeDisabled,
    KeyForTranslations,
    KeyNotForTranslations,
    MissingModel,
    MissingParameter,
    SessionKindMismatch,
    WireFault,
)
from realtime.events.base import Incoming
from realtime.events.client import session_in
from realtime.events.faults import fault_of
from realtime.events.known import known_part
from realtime.session.merging import merged_session

SDP: Final = "application/sdp"
FORM: Final = "multipart/form-data"
PARTS: Final = ("sdp", "session")
MOST_SESSION_BYTES: Final = 1024 * 1024


class RejectRequest(Incoming):
    """What a call is rejected with."""

    status_code: int | None = None


class ReferRequest(Incoming):
    """Where a call is sent."""

    target_uri: str


class CallsEndpoint:
    """The endpoints."""

    def __init__(self, services: Services) -> None:
        self._services = services
        network, pacer = Network(services.settings), Pacer()
        self._opening = CallOpening(services, network, pacer)
        self._translations = TranslationCallOpening(services, network, pacer)
        self._beta = CallOpening(services, network, pacer, dialect="beta")

    async def create(self, request: Request) -> Response:
        """Answer an SDP offer: 201, the answer, and where the call is found."""
        principal = await self._caller(request)
        offer, session = await _offer(request)
        if session is not None:
            relayed = self._is_relayed(principal, session, request.query_params.get("model"))
            asked = _session_of(principal.session, session, relayed=relayed)
            if principal.session is None:
                principal = replace(principal, session=asked)
            else:
                principal = replace(principal, form=asked)
        return await self._answer(request, self._opening, principal, offer)

    def _is_relayed(self, principal: Principal, sent: dict[str, Any], model: str | None) -> bool:
        """Say whether another endpoint answers, which has fields of its own."""
        name = (principal.session or {}).get("model") or sent.get("model") or model
        engine = self._services.registry.resolve(str(name), principal)
        return engine is not None and engine.relay is not None

    async def create_translation(self, request: Request) -> Response:
        """Answer the offer of a caller who wants to be heard in another language."""
        principal = await self._caller(request)
        offer, session = await _offer(request)
        if session is not None:
            asked = _translation_of(principal.session, session, request.query_params.get("model"))
            principal = replace(principal, session=asked)
        return await self._answer(request, self._translations, principal, offer)

    async def create_beta(self, request: Request) -> Response:
        """Answer an offer as the beta did: SDP, the model in the query, its events (CONTRACT 18).

        Raises:
            BetaShapeDisabled: its dialect is not spoken here.
        """
        principal = await self._caller(request)
        if not self._services.settings.beta_dialect:
            raise BetaShapeDisabled
        if _content_type(request) != SDP:
            raise UnsupportedMediaType(SDP)
        return await self._answer(request, self._beta, principal, _sdp(await request.body()))

    async def _answer(
        self, request: Request, opening: CallOpening, principal: Principal, offer: str
    ) -> Response:
        answered = await opening.answer(
            principal,
            dict(request.query_params),
            offer,
            safety_identifier=safety_identifier(request.headers),
            caller=request.client.host if request.client else None,
        )
        return Response(
            answered.sdp,
            status_code=201,
            media_type=SDP,
            headers={"Location": f"/v1/realtime/calls/{answered.call_id}"},
        )

    async def hangup(self, request: Request) -> Response:
        """End a call."""
        principal = await self._caller(request)
        (await self._call(request, principal, HANG_UP)).hang_up()
        return Response(status_code=200)

    async def accept(self, request: Request) -> Response:
        """Only calls that ring can be accepted; none does before phones are there."""
        principal = await self._caller(request)
        await self._call(request, principal, ACCEPT)
        session_in(await json_object(request), root=())
        raise CallNotRinging

    async def reject(self, request: Request) -> Response:
        """See `accept`."""
        principal = await self._caller(request)
        await self._call(request, principal, REJECT)
        _valid(RejectRequest, await json_object(request))
        raise CallNotRinging

    async def refer(self, request: Request) -> Response:
        """Nobody can transfer a WebRTC call."""
        principal = await self._caller(request)
        await self._call(request, principal, REFER)
        _valid(ReferRequest, await json_object(request))
        raise ReferNotSupported

    async def _call(self, request: Request, principal: Principal, action: str) -> Call:
        call_id = request.path_params["call_id"]
        return await controlled_call(self._services, call_id, principal, action)

    async def _caller(self, request: Request) -> Principal:
        principal = await self._services.identity.authenticate(bearer(request.headers))
        request.state.organisation_id = principal.organisation_id
        await count_request(self._services, request, principal)
        return principal


def _valid(model: type[Incoming], data: dict[str, Any]) -> None:
    try:
        model.model_validate(data)
    except ValidationError as error:
        raise fault_of(error, data) from None


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _offer(request: Request) -> tuple[str, dict[str, Any] | None]:
    kind = _content_type(request)
    if kind == SDP:
        return _sdp(await request.body()), None
    if kind == FORM:
        return await _form(request)
    raise UnsupportedMediaType(f"{FORM}' or '{SDP}")


async def _form(request: Request) -> tuple[str, dict[str, Any] | None]:
    try:
        async with request.form(
            max_files=2, max_fields=8, max_part_size=MOST_SESSION_BYTES
        ) as form:
            parts = {
                name: value if isinstance(value, str) else await _file(name, value)
                for name, value in form.items()
                if name in PARTS
            }
    except HTTPException as error:
        raise WireFault(f"The multipart body cannot be read: {error.detail}") from None
    if "sdp" not in parts:
        raise MissingParameter("sdp")
    session = _session(parts["session"]) if parts.get("session", "").strip() else None
    return parts["sdp"], session


async def _file(name: str, part: UploadFile) -> str:
    """Return a part that came with a file's name, as browsers send a Blob."""
    body = await part.read()
    if name == "sdp":
        return _sdp(body)
    if len(body) > MOST_SESSION_BYTES:
        raise WireFault(f"The session is longer than {MOST_SESSION_BYTES} bytes.", param=name)
    return _text(body, name)


def _session(text: str) -> dict[str, Any]:
    """Return the session part, validated as a whole.

    Raises:
        WireFault: it is no session.
    """
    try:
        sent = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise WireFault("The part 'session' is not valid JSON.", param="session") from None
    if not isinstance(sent, dict):
        raise WireFault("The part 'session' must be a JSON object.", param="session")
    return sent


def _sdp(body: bytes) -> str:
    if len(body) > MOST_SDP_BYTES:
        raise WireFault(f"The SDP offer is longer than {MOST_SDP_BYTES} bytes.", param="sdp")
    return _text(body, "sdp")


def _text(body: bytes, param: str) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise WireFault(f"The part '{param}' is not UTF-8 text.", param=param) from None


def _translation_of(
    bound: Mapping[str, Any] | None, sent: dict[str, Any], model: str | None
) -> dict[str, Any]:
    """Return the translation session that a form asks for; a client secret's model stays.

    Raises:
        WireFault: it is no such session, or the secret is of another kind.
    """
    if bound is not None and bound.get("type") != KIND:
        raise KeyNotForTranslations
    kind = sent.pop("type", KIND)
    if kind != KIND:
        raise SessionKindMismatch(sent=str(kind), session=KIND)
    fixed = (bound or {}).get("model") or sent.get("model") or model
    if not fixed:
        raise MissingModel
    merged = {**merged_session(bound or {}, sent), "model": fixed}
    merged.pop("type", None)
    translation_session_in(merged)
    return {**merged, "type": KIND}


def _session_of(
    bound: Mapping[str, Any] | None, sent: dict[str, Any], *, relayed: bool
) -> dict[str, Any]:
    """Return the session that a form asks for, beside what a client secret is bound to.

    The endpoint of a `relayed` model may know fields that we do not.

    Raises:
        WireFault: it is no session, or of another kind than the secret's.
    """
    bound = bound or {}
    if bound.get("type") == KIND:
        raise KeyForTranslations
    kind = str(bound.get("type", "realtime"))
    sent.setdefault("type", kind)
    if bound and sent["type"] != kind:
        raise SessionKindMismatch(sent=str(sent["type"]), session=kind)
    session_in(known_part(sent)[0] if relayed else sent)
    return sent
