"""Opens a relayed session for a principal who was admitted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from typing import Any

from gateway.engines.engine import Engine
from gateway.engines.relay.endpoint import RelayEndpoint
from gateway.engines.relay.opening import Opening, Upstream, UpstreamFault
from gateway.identity.principal import Principal
from gateway.recording.recorder import SessionRecorder
from gateway.services import Services
from gateway.sessions.admitted import AdmittedSession, open_record, owner_of
from gateway.sessions.allowance import Allowance
from gateway.sessions.dialects import DialectName
from gateway.sessions.leg import MediaLeg
from gateway.sessions.prompting import ProjectPrompts
from gateway.sessions.relaying import RelayCompany, RelayRunner
from gateway.settings import Settings
from realtime.errors import ServerFault
from realtime.events.client import session_in
from realtime.prompts import Prompted
from realtime.relay.beginning import Given, begun
from realtime.relay.limits import RelayLimits
from realtime.relay.machine import RelaySession
from realtime.relay.offers import RelayTools, without_mcp


class OpenedRelay(AdmittedSession):
    """A session whose `upstream` is connected; nobody hears it before `start`."""

    runner: RelayRunner
    upstream: Upstream

    def __init__(
        self,
        services: Services,
        principal: Principal,
        recorder: SessionRecorder,
        *,
        model: str,
        endpoint: RelayEndpoint,
        fallbacks: tuple[RelayEndpoint, ...],
        asked: Mapping[str, Any] | None,
        prompt: Mapping[str, Any] | None,
        minutes: int,
        expires_at: int,
        has_tools: bool,
    ) -> None:
        super().__init__(
            services, principal, session_id=recorder.session_id, model=model, recorder=recorder
        )
        self._endpoint = endpoint
        self._asked = asked
        self._prompt = prompt
        self._expires_at = expires_at
        # All of this while the upstream thinks; `start` is what the client waits for.
        self._limits = _limits(services.settings, endpoint, minutes, fallbacks=len(fallbacks))
        self._tools = self._offered(has_tools=has_tools)
        self._company = RelayCompany(
            admission=services.admission,
            allowance=Allowance(services.limits, owner_of(principal, model)),
            principal_facts=principal.facts(),
            observer=self.observer,
            tools=services.tools,
            prompts=ProjectPrompts(services.prompts, principal.project_id),
            fallbacks=fallbacks,
        )

    def start(
        self,
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
        *,
        dialect: DialectName,
        leg: MediaLeg | None = None,
        transport: str = "websocket",
    ) -> RelayRunner:
        """Build the machine, its runner and the client's view; tasks it needs are `spawn`ed."""
        services = self._services
        machine = RelaySession(
            self.upstream.created,
            model=self.model,
            expires_at=self._expires_at,
            ids=services.ids,
            limits=self._limits,
            asked=self._asked,
            prompt=self._prompt,
            tools=self._tools,
            has_leg=leg is not None,
            opened_ms=int(asyncio.get_running_loop().time() * 1000),
            lasts_ms=self.upstream.lasts_ms(),
        )
        self.runner = RelayRunner(
            machine,
            self.upstream,
            self._endpoint,
            session_id=self._session_id,
            company=self._company,
            spawn=spawn,
            leg=leg,
        )
        self._begin(dialect, services.ids("conv"), transport)
        return self.runner

    def _offered(self, *, has_tools: bool) -> RelayTools:
        tools, most = self._services.tools, self._services.settings.most_offered_tools
        if not has_tools:
            return RelayTools(actions_only=tools.actions.only, most=most)
        project_id, model = self._principal.project_id, self.model
        return RelayTools(
            tools=tools.offered(project_id=project_id, model=model),
            actions=tools.actions.offered(project_id=project_id, model=model),
            actions_only=tools.actions.only,
            most=most,
        )


def _limits(
    settings: Settings, endpoint: RelayEndpoint, minutes: int, *, fallbacks: int
) -> RelayLimits:
    return RelayLimits(
        max_duration_ms=minutes * 60_000,
        silence_ms=int(endpoint.silence_s * 1000),
        reconnect_ms=int(endpoint.reconnect_s * 1000),
        fallbacks=fallbacks,
        runs_mcp=not endpoint.runs_mcp,
        resolves_prompts=not endpoint.has_prompts,
        import_ms=int(settings.mcp_import_timeout_s * 1000),
        tool_call_ms=int(settings.mcp_call_timeout_s * 1000),
        tool_call_most_ms=int(settings.mcp_call_most_s * 1000),
        tool_rounds=settings.tool_rounds,
    )


def endpoints_of(engine: Engine, safety_identifier: str) -> list[RelayEndpoint]:
    """Return where a relay's session begins, and who may take it over: relays of its kind."""
    found: list[RelayEndpoint] = []
    while engine.relay is not None:
        relay = engine.relay
        if safety_identifier:
            relay = replace(relay, safety_identifier=safety_identifier)
        found.append(relay)
        if engine.fallback is None:
            break
        engine = engine.fallback
    first = found[0]
    return [
        endpoint
        for endpoint in found
        if (endpoint.runs_mcp, endpoint.has_prompts) == (first.runs_mcp, first.has_prompts)
    ]


async def open_relay(
    services: Services,
    principal: Principal,
    *,
    model: str,
    engine: Engine,
    safety_identifier: str,
    meanwhile: Callable[[], None],
) -> OpenedRelay:
    """Connect to the upstream and prepare the session; a caller's identifier is never pooled.

    `meanwhile` is called before anything is waited for, when the upstream was asked if it can be.

    Raises:
        ServerFault: the upstream cannot be used; why is in the log, not for the client.
        WireFault: the prompt of a client secret cannot be, or the upstream refuses its session.
    """
    endpoint, *fallbacks = endpoints_of(engine, safety_identifier)
    if principal.session is not None or principal.form is not None:
        meanwhile()  # a prompt is looked for
    asked, prompt = await _asked(services, principal, endpoint)
    warm = None if endpoint.safety_identifier else services.warm.take(endpoint)
    opening = Opening(endpoint, _configuration(endpoint, asked), warm=warm)
    # While the upstream does its part of the handshake we do ours.
    try:
        meanwhile()
        now_s = int(time.time())
        minutes = engine.terms.session_minutes or services.settings.session_max_minutes
        opened = OpenedRelay(
            services,
            principal,
            open_record(
                services,
                principal,
                engine.terms,
                session_id=services.ids("sess"),
                engine="relay",
                model=model,
                now_s=now_s,
            ),
            model=model,
            endpoint=endpoint,
            fallbacks=tuple(fallbacks),
            asked=asked,
            prompt=prompt,
            minutes=minutes,
            expires_at=now_s + minutes * 60,
            has_tools="tools" in engine.terms.features,
        )
    except BaseException:
        await opening.abandon()
        raise
    try:
        opened.upstream = await opening.done()
    except UpstreamFault as fault:
        raise (fault.told or ServerFault()) from None
    return opened


def _configuration(
    endpoint: RelayEndpoint, asked: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    """Return what the upstream is told of the session that it shall begin with."""
    if not asked:
        return None
    session = {key: value for key, value in asked.items() if key != "model"}
    session.setdefault("type", "realtime")
    return session if endpoint.runs_mcp else without_mcp(session)


async def _asked(
    services: Services, principal: Principal, endpoint: RelayEndpoint
) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
    """Return what the session begins with, and its prompt as the client wrote it.

    Raises:
        WireFault: a prompt cannot be.
    """
    bound, form = principal.session, principal.form
    prompts = ProjectPrompts(services.prompts, principal.project_id)
    given = [
        Given(layer, None if endpoint.has_prompts else await _supplied(prompts, layer))
        for layer in (bound, form)
        if layer is not None
    ]
    if not given:
        return None, None
    prompt = next(
        (one.session["prompt"] for one in reversed(given) if "prompt" in one.session), None
    )
    return begun(given), prompt


async def _supplied(prompts: ProjectPrompts, session: Mapping[str, Any]) -> Prompted | None:
    prompt = session.get("prompt")
    if prompt is None:
        return None
    return await prompts.supplied(session_in({"type": "realtime", "prompt": prompt}))
