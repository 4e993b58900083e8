"""`/v1/realtime/translations` over WebSocket (CONTRACT 13); faults as on the other socket."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gateway.identity.principal import Principal
from gateway.ingress.websocket.credentials import Handshake
from gateway.ingress.websocket.endpoint import AnyOpened, RealtimeSocket
from gateway.sessions.locale import locale_in
from gateway.sessions.translation_opening import KIND, open_translation
from realtime.errors import BetaShapeDisabled, KeyNotForTranslations, MissingModel


class TranslationSocket(RealtimeSocket):
    """The ASGI endpoint."""

    async def _open(
        self,
        query: Mapping[str, str],
        handshake: Handshake,
        principal: Principal,
        welcome: Callable[[], None],
    ) -> AnyOpened:
        welcome()
        if handshake.beta:  # it ended before there were translations
            raise BetaShapeDisabled
        bound = principal.session
        if bound is not None and bound.get("type") != KIND:
            raise KeyNotForTranslations
        model = str((bound or {}).get("model") or query.get("model") or "")
        if not model:
            raise MissingModel
        return await open_translation(
            self._services,
            principal,
            model=model,
            engine=self._services.translators.resolve(model, principal),
            locale=locale_in(query),
        )
