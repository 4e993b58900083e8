"""The runner of a relayed session: a client on one side, an upstream on the other.

Audio passes in the call in which it came. Both ways are bounded: while more
than MOST_UP_BYTES wait for the upstream the client is not read, and while more
than MOST_DOWN_BYTES wait for the client the upstream is not; a client for which
that does not help is too slow, as everywhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import orjson
import structlog

from gateway.engines.relay.endpoint import RelayEndpoint
from gateway.engines.relay.link import Link
from gateway.engines.relay.opening import Upstream, UpstreamFault, open_upstream
from gateway.sessions.admission import Admission
from gateway.sessions.allowance import Allowance
from gateway.sessions.driver import SHARED_EFFECTS, SessionDriver
from gateway.sessions.frames import (
    AUDIO_DELTA,
    HEAD,
    delta_samples,
    is_audio_delta,
    is_audio_on_wire,
    samples_on_wire,
)
from gateway.sessions.interface import Interface
from gateway.sessions.leg import MediaLeg
from gateway.sessions.observer import SessionObserver
from gateway.sessions.prompting import ProjectPrompts
from gateway.sessions.relay_interface import RelayedInterface
from gateway.sessions.relay_media import UpstreamAudio
from gateway.telemetry import metrics
from gateway.tools.session import SessionTools, Tools
from realtime.relay.effects import (
    DropUpstream,
    FallBack,
    RecordRelayed,
    Redial,
    SendRelayed,
    SendUpstream,
)
from realtime.relay.inputs import (
    FromUpstream,
    Loss,
    RelayedFromClient,
    UpstreamLost,
    UpstreamReady,
    UpstreamUnreachable,
)
from realtime.relay.machine import RelaySession
from realtime.session import effects as fx
from realtime.session.inputs import ControllerId, Refused

MOST_UP_BYTES: Final = 1_048_576
MOST_DOWN_BYTES: Final = 524_288
STALL_POLL_S: Final = 0.02
"""While the client is behind it is looked at this often."""

APPENDED_BYTES_PER_MS: Final = 64
"""Of PCM in base64."""

PCM_BYTES: Final = 2
G711_BYTES_AT_24_KHZ: Final = 1 / 3
REMOVED: Final = "[removed]"

_log = structlog.get_logger("relay")


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayCompany:
    """Who is asked about a relayed session, and who sees what it does."""

    admission: Admission
    allowance: Allowance
    principal_facts: dict[str, Any]
    observer: SessionObserver
    tools: Tools
    prompts: ProjectPrompts
    fallbacks: tuple[RelayEndpoint, ...] = ()
    """Who takes the session over, one after the other."""


class RelayRunner(SessionDriver):
    """One live relayed session."""

    def __init__(
        self,
        machine: RelaySession,
        upstream: Upstream,
        endpoint: RelayEndpoint,
        *,
        session_id: str,
        company: RelayCompany,
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
        leg: MediaLeg | None = None,
    ) -> None:
        super().__init__(
            machine,
            session_id=session_id,
            admission=company.admission,
            allowance=company.allowance,
            principal_facts=company.principal_facts,
            observer=company.observer,
            spawn=spawn,
            leg=leg,
        )
        self._machine = machine
        self._endpoint = endpoint
        self._fallbacks = [*company.fallbacks]
        self._prompts = company.prompts
        self._start_task = spawn
        self._link: Link | None = upstream.link
        self._tools = SessionTools(
            company.tools,
            session_id,
            self.post,
            permit=self.permit,
            log=company.observer.tool_logged,
        )
        actions = company.tools.actions
        self._interface = RelayedInterface(
            Interface(actions, company.observer.tool_logged, company.principal_facts),
            actions.route,
        )
        self._dialling: asyncio.Task[None] | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._bytes_per_sample: float = PCM_BYTES
        self._media = UpstreamAudio()
        if leg is not None:
            leg.attach(self)

    def overloaded(self, *, lag_ms: int | None = None) -> bool:
        """Say whether the client should not be read for now, or a leg's audio be dropped."""
        waiting = 0 if self._link is None else self._link.waiting_bytes
        most = MOST_UP_BYTES if lag_ms is None else lag_ms * APPENDED_BYTES_PER_MS
        return self._machine.congested or waiting > most

    @property
    def flooded(self) -> bool:
        """Say whether more waits than may, though the client could not be stopped."""
        return self.overloaded()

    def begin(self, controller: ControllerId) -> None:
        """The first client is there: it is shown the session, then what the upstream says."""
        super().begin(controller)
        self.listen()

    def listen(self) -> None:
        """Take what the upstream sends, from now on."""
        link = self._link
        if link is not None:
            link.listen(
                lambda text: self._arrived(link, text),
                lambda: self._gone(link),
                partial(self._pass_down, link),
            )

    # --- up ---

    def pass_up(self, text: str) -> bool:
        """Send input audio on as it is; return False if it must wait its turn."""
        return self.pass_encoded(text.encode()) is not None

    def pass_encoded(self, payload: bytes) -> bool | None:
        """Send input audio on as it is; return None if it must wait its turn.

        Else say whether the upstream may be slower than the client; see `overloaded`.
        """
        link = self._link  # none from the end on
        if link is None or not self._machine.pass_append():
            return None
        return link.write_encoded(payload)

    def _send_upstream(self, effect: SendUpstream) -> None:
        if self._link is not None:
            self._link.write(orjson.dumps(effect.event).decode())

    def hear(self, audio: bytes) -> None:
        """Take canonical audio of a media leg; while there is no connection it is lost."""
        if self.closed or not self._media.configured or self._link is None:
            return
        text = self._media.append(audio)
        if text is None:
            return
        if self._machine.hearing:
            self._link.write(text)
            self._machine.appended()
        else:
            self.post(RelayedFromClient(0, orjson.loads(text), len(text)))

    # --- down ---

    def _pass_down(self, link: Link, frame: bytes, payload: bytes) -> bool:
        """Send output audio on in the frame in which it came, if that can be done at once."""
        if (
            not is_audio_on_wire(payload)
            or link is not self._link
            or self._stalled is not None
            or self._leg is not None
            or self._machine.refusing
            or not self.controllers.pass_on(frame)
        ):
            return False
        now_s = self._loop.time()
        self._machine.heard(int(now_s * 1000))
        samples = samples_on_wire(payload, bytes_per_sample=self._bytes_per_sample)
        self._observer.audio_sent(now_s, samples)
        return True

    def _arrived(self, link: Link, text: str | None) -> None:
        if link is not self._link or self.closed:
            return
        passes = self._leg is None and not self._machine.refusing
        if text is not None and passes and is_audio_delta(text):
            self._audio(text)
        else:
            self._event(text)
        if self._stalled is None and self._link is link:
            self._look_at_client()

    def _audio(self, text: str) -> None:
        self._machine.heard(self.now_ms())
        if not text.startswith(HEAD):
            text = _typed_first(orjson.loads(text))
        self.controllers.send_audio(text)
        samples = delta_samples(text, bytes_per_sample=self._bytes_per_sample)
        self._observer.audio_sent(self._loop.time(), samples)

    def _event(self, text: str | None) -> None:
        try:
            event = orjson.loads(self._without_key(text or ""))
        except orjson.JSONDecodeError:
            event = None
        if not isinstance(event, dict) or not isinstance(event.get("type"), str):
            self.post(UpstreamLost(Loss.GARBAGE))
            return
        self.post(FromUpstream(event, self._without_key(text or "")))

    def _without_key(self, text: str) -> str:
        key = self._endpoint.key
        return text.replace(key, REMOVED) if key and key in text else text

    def _gone(self, link: Link) -> None:
        if link is self._link:
            self.post(UpstreamLost(Loss.CLOSED, link.close_code))

    def _send_relayed(self, effect: SendRelayed) -> None:
        text, event = effect.text, effect.event
        if self._leg is not None and event["type"] == AUDIO_DELTA:
            self._play(self._leg, event)
            return
        if text is None or not text.startswith(HEAD):
            text = _typed_first(event)
        try:
            self.controllers.send(text, effect.to)
        except (KeyError, TypeError, ValueError) as error:
            # An older dialect has no words for an event of a shape of its own.
            _log.warning("untranslatable", type=event["type"], error=type(error).__name__)
        self._observer.relayed(event, text, self.now_ms())
        if "item" in event:
            self._interface.shown(event, self.now_ms())

    def _play(self, leg: MediaLeg, event: Mapping[str, Any]) -> None:
        audio = self._media.heard(event.get("delta"))
        leg.play(event["response_id"], event["item_id"], audio)
        self._observer.audio_sent(self._loop.time(), len(audio) // PCM_BYTES)

    def _record(self, effect: RecordRelayed) -> None:
        self._media.configure(effect.session)
        self._bytes_per_sample = _bytes_per_sample(effect.session)
        self._observer.configured(effect.session)

    # --- a client that is behind ---

    def _look_at_client(self) -> None:
        self._stalled = None
        if self._link is None or self.closed:
            return
        if self.controllers.waiting_bytes > MOST_DOWN_BYTES:
            self._link.pause()
            self._stalled = self._loop.call_later(STALL_POLL_S, self._look_at_client)
        else:
            self._link.resume()

    # --- another connection ---

    def _drop(self, effect: DropUpstream) -> None:
        metrics.RELAY_LOSSES.labels(effect.loss.value).inc()
        self._leave()

    def _leave(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            self._start_task(link.close())

    def _fall_back(self, _effect: FallBack) -> None:
        self._endpoint = self._fallbacks.pop(0)
        metrics.FALLBACKS.inc()
        _log.warning("fell_back", session_id=self._session_id, host=self._endpoint.host)

    def _redial(self, effect: Redial) -> None:
        self._dialling = self._start_task(self._dial(effect))

    async def _dial(self, effect: Redial) -> None:
        await asyncio.sleep(effect.delay_ms / 1000)
        try:
            upstream = await open_upstream(self._endpoint, effect.session)
        except UpstreamFault:
            self.post(UpstreamUnreachable())
            return
        if self.closed:
            await upstream.link.close()
            return
        self._link = upstream.link
        self.post(UpstreamReady(upstream.created["session"], upstream.lasts_ms()))
        self.listen()

    def _stop(self) -> None:
        if self._dialling is not None and self._dialling is not _current_task():
            self._dialling.cancel()
        if self._stalled is not None:
            self._stalled.cancel()
        self._tools.close()
        self._leave()

    def _ask(self, effect: fx.Ask) -> None:
        fault = self._interface.told(effect, self.now_ms())
        if fault is None:
            super()._ask(effect)
        else:
            self.post(Refused(effect.question, fault))

    def _call_tool(self, effect: fx.CallTool) -> None:
        self._observer.tool_called(effect.call)
        self._tools.call(effect.call)


def _current_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


def _typed_first(event: Mapping[str, Any]) -> str:
    """Return an event's frame, its type in front, as every frame of ours begins."""
    return orjson.dumps({"type": event["type"], **event}).decode()


def _bytes_per_sample(session: Mapping[str, Any]) -> float:
    place: Any = session
    for name in ("audio", "output", "format", "type"):
        place = place.get(name) if isinstance(place, Mapping) else None
    return G711_BYTES_AT_24_KHZ if place in ("audio/pcmu", "audio/pcma") else PCM_BYTES


RelayRunner._effects = {
    **SHARED_EFFECTS,
    fx.Send: RelayRunner._send,
    SendRelayed: RelayRunner._send_relayed,
    SendUpstream: RelayRunner._send_upstream,
    DropUpstream: RelayRunner._drop,
    FallBack: RelayRunner._fall_back,
    Redial: RelayRunner._redial,
    RecordRelayed: RelayRunner._record,
    fx.ReportPlayback: lambda _, __: None,  # the upstream is not told: it has no word for it
    fx.Ask: RelayRunner._ask,
    fx.FindPrompt: lambda r, e: r._spawn(r._prompts.answer(e, r.post)),
    fx.CallTool: RelayRunner._call_tool,
    fx.CheckCall: lambda r, e: r._tools.check(e.call),
    fx.CancelTool: lambda r, e: r._tools.cancel(e.response_id, e.call_id, late=e.late),
    fx.ImportTools: lambda r, e: r._tools.import_tools(e),
    fx.CancelImport: lambda r, e: r._tools.cancel_import(e.item_id),
}
"""What a relay does; the effects of engines never come."""
