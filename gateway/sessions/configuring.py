"""Configures a session of our own machine: what a client secret binds, then what a form adds."""

from __future__ import annotations

from typing import Final

import structlog

from gateway.engines.engine import Engine
from gateway.identity.principal import Principal
from gateway.sessions.prompting import ProjectPrompts
from realtime.errors import InvalidValue, ServerFault, UnsupportedOption, WireFault
from realtime.events.base import JsonObject
from realtime.events.client import session_in
from realtime.events.known import known_part, without_field
from realtime.session.config import AnySessionConfig
from realtime.session.updates import updated

MOST_LEFT_OUT: Final = 16
"""Values that are tried without; fields that nobody here knows are no trial."""
_TOLD: Final = 20

_log = structlog.get_logger("sessions")


class Configuring:
    """Applies sessions that callers ask for, one after another, each as an update would be.

    Where the engine stands in for an endpoint that is away, what it does not take is left out
    and logged, since the session was meant for that endpoint and asked for in its words.
    """

    def __init__(self, engine: Engine, prompts: ProjectPrompts, *, stands_in: bool) -> None:
        self._engine = engine
        self._prompts = prompts
        self._stands_in = stands_in

    async def of(self, principal: Principal, config: AnySessionConfig) -> AnySessionConfig:
        """Return the configuration that a caller begins with.

        Raises:
            ServerFault: the endpoint is away, and its session cannot be had here.
            WireFault: the session does not fit.
        """
        for session in (principal.session, principal.form):
            if session is None:
                continue
            if self._stands_in:
                config = await self._reduced(config, session)
            else:
                config = await self._applied(config, session)
        return config

    async def _applied(self, config: AnySessionConfig, session: JsonObject) -> AnySessionConfig:
        wanted = session_in(session)
        return updated(
            config,
            wanted,
            has_spoken=False,
            traits=self._engine.traits(),
            prompted=await self._prompts.supplied(wanted),
        )

    async def _reduced(self, config: AnySessionConfig, session: JsonObject) -> AnySessionConfig:
        session, left_out = known_part(session)
        for _ in range(MOST_LEFT_OUT):
            try:
                config = await self._applied(config, session)
            except (InvalidValue, UnsupportedOption) as fault:
                rest = without_field(session, fault.param or "")
                if rest is None or (fault.param or "").startswith("session.prompt"):
                    raise self._impossible(fault) from None
                session, left_out = rest, [*left_out, str(fault.param)]
            except WireFault as fault:
                raise self._impossible(fault) from None
            else:
                if left_out:
                    names = [name[:80] for name in left_out[:_TOLD]]
                    _log.warning("session_reduced", left_out=names, number=len(left_out))
                return config
        raise ServerFault

    @staticmethod
    def _impossible(fault: WireFault) -> ServerFault:
        _log.warning("no_fallback_for_session", code=fault.code, param=fault.param)
        return ServerFault()
