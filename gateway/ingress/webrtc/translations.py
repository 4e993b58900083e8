"""Calls that translate: `/v1/realtime/translations/calls` (CONTRACT 13, 14)."""

from __future__ import annotations

from gateway.ingress.webrtc.opening import AskedCall, CallOpening
from gateway.sessions.calls import AnyCalled
from gateway.sessions.locale import locale_in
from gateway.sessions.translation_opening import KIND, open_translation
from realtime.errors import KeyNotForTranslations, MissingModel


class TranslationCallOpening(CallOpening):
    """Answers offers of callers who want to be heard in another language."""

    kind = KIND

    async def _session(self, asked: AskedCall) -> AnyCalled:
        principal, bound = asked.principal, asked.principal.session
        if bound is not None and bound.get("type") != KIND:
            raise KeyNotForTranslations
        model = str((bound or {}).get("model") or asked.query.get("model") or "")
        if not model:
            raise MissingModel
        return await open_translation(
            self._services,
            principal,
            model=model,
            engine=self._services.translators.resolve(model, principal),
            locale=locale_in(asked.query),
        )
