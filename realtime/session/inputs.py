"""Everything that can happen to a session, as a closed union.

Engine reports (`realtime.engine`) are inputs as they are. Positions count
canonical samples since the session began; `now_ms` comes beside every input.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from realtime.engine import EngineReport, FunctionSpec
from realtime.errors import PolicyDenied, WireFault
from realtime.events.client import ClientEvent
from realtime.events.mcp_items import McpError, McpListedTool
from realtime.events.session import VOICES
from realtime.prompts import PromptTemplate
from realtime.relay.inputs import RelayInput
from realtime.session.features import FEATURES
from realtime.translation.inputs import TranslationFromClient
from realtime.turns.models import MODELS

ControllerId: TypeAlias = int
"""One connected client of a session: its socket, a data channel, a sideband."""


class EndReason(StrEnum):
    """Why a session or a call ended: the whole list; each reason belongs to one party."""

    # the client
    CLIENT_CLOSED = "client_closed"
    """It left in good order: a close frame, a closed channel or connection."""
    CLIENT_VANISHED = "client_vanished"
    """It was there and is gone without a word."""
    CLIENT_TOO_SLOW = "client_too_slow"
    CLIENT_FLOODED = "client_flooded"
    """It sent more than may wait, on a way that cannot be paused."""
    NEVER_CONNECTED = "never_connected"
    """A call was answered, and nobody came in time."""
    CONNECT_FAILED = "connect_failed"
    """A call was answered, and its media could not be connected."""
    RELAY_LOST = "relay_lost"
    """The relay that carried a call's media is gone, and the caller with it."""
    # the project
    HUNG_UP = "hung_up"
    """By the hangup endpoint."""
    EXPIRED = "expired"
    REVOKED = "revoked"
    """Its key was."""
    WITHDRAWN = "withdrawn"
    """Policy took its leave back."""
    REFUSED = "refused"
    """It never began."""
    # this side
    SERVER_SHUTDOWN = "server_shutdown"
    SERVER_FAULT = "server_fault"
    ENGINE_FAILED = "engine_failed"
    """What answered it is gone for good."""
    LOST = "lost"
    """The process died under it; written by the one that followed."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The first controller is there; the session begins."""

    controller: ControllerId


@dataclass(frozen=True, slots=True)
class Joined:
    """One more controller is there; it is shown the session as it is now."""

    controller: ControllerId


@dataclass(frozen=True, slots=True)
class FromClient:
    """A valid client event from a controller."""

    controller: ControllerId
    event: ClientEvent


@dataclass(frozen=True, slots=True)
class InvalidFromClient:
    """A frame that is no valid event; answered with an error, in order."""

    controller: ControllerId
    fault: WireFault
    event_id: str | None


@dataclass(frozen=True, slots=True)
class AudioAppended:
    """`samples` more input audio lie in the shell's ring."""

    samples: int


@dataclass(frozen=True, slots=True)
class Allowed:
    """Admission said yes."""

    question: int


@dataclass(frozen=True, slots=True)
class Refused:
    """Admission said no; `fault` goes to the client that asked."""

    question: int
    fault: WireFault


@dataclass(frozen=True, slots=True)
class PromptFound:
    """The project's prompt, None where it has no such one."""

    question: int
    template: PromptTemplate | None


@dataclass(frozen=True, slots=True)
class PromptUnavailable:
    """The store could not be asked; `fault` goes to the client."""

    question: int
    fault: WireFault


@dataclass(frozen=True, slots=True)
class TokensReserved:
    """The allowance has room for the response."""

    response_id: str


@dataclass(frozen=True, slots=True)
class SpeculationRoom:
    """Whether the allowance has room for an answer that is begun early; nothing is held."""

    response_id: str
    room: bool


@dataclass(frozen=True, slots=True)
class TokensRefused:
    """The allowance has no room; the response fails with `fault` (CONTRACT 8.13)."""

    response_id: str
    fault: WireFault


@dataclass(frozen=True, slots=True)
class Revoked:
    """The right to the session is gone; it ends now."""

    fault: WireFault

    @property
    def reason(self) -> EndReason:
        """Whose right it was: the key's, or what policy had allowed."""
        denied = isinstance(self.fault, PolicyDenied)
        return EndReason.WITHDRAWN if denied else EndReason.REVOKED


@dataclass(frozen=True, slots=True)
class Narrowed:
    """Policy took tools away; later responses go without them."""

    tools: frozenset[str]


@dataclass(frozen=True, slots=True)
class ToolsImported:
    """A server told its tools."""

    item_id: str
    tools: tuple[McpListedTool, ...]


@dataclass(frozen=True, slots=True)
class ToolsNotImported:
    """A server did not tell its tools; the client gets no reason, the log has it."""

    item_id: str


@dataclass(frozen=True, slots=True)
class ToolReturned:
    """A call of the gateway's is over, with one of output and error."""

    response_id: str
    call_id: str
    output: str | None
    error: McpError | None = None


@dataclass(frozen=True, slots=True)
class ToolProgressed:
    """A call of the gateway's goes on: its deadline moves, up to the route's `most_ms`."""

    response_id: str
    call_id: str


@dataclass(frozen=True, slots=True)
class PlaybackCleared:
    """A media leg dropped what it had of a response; `heard_ms` of its items were played.

    An item that is not named was not heard at all.
    """

    response_id: str
    heard_ms: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Drained:
    """A media leg played everything of a response that is done."""

    response_id: str


@dataclass(frozen=True, slots=True)
class Shutdown:
    """The session must end; no further effect but its closing."""

    reason: EndReason
    close_code: int = 1001
    close_reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    """What bounds a session; in ms, samples and items."""

    max_duration_ms: int = 60 * 60 * 1000
    speech_start_ms: int = 64
    first_audio_ms: int = 100
    pace: float = 6.0
    max_items: int = 10_000
    max_pending_events: int = 256
    context_tokens: int = 32_000
    """What the model can read and write at once (CONTRACT 11)."""
    import_ms: int = 10_000
    """How long an MCP server may take to tell its tools."""
    tool_call_ms: int = 30_000
    """How long a call of an MCP server's tool may take."""
    tool_call_most_ms: int = 300_000
    """How long it may take if the server tells that it goes on."""
    offered_tools: int = 128
    """How many tools a brain is told of at most."""
    tool_rounds: int = 8
    """How often a brain is asked again within a response after calls of the gateway's."""
    listening_ms: int = 15_000
    """Audio kept while nobody speaks under turn detection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineTraits:
    """What the machine must know of the engine below it."""

    needs_transcript: bool = True
    """The brain reads words, so that spoken input must be recognised first."""
    listens: bool = True
    """There is voice activity detection; without it turns end by commit only."""
    language: str = "en-US"
    """What is spoken unless the client says otherwise (BCP 47)."""
    voices: tuple[str, ...] = VOICES
    """Voices by name."""
    transcription_models: tuple[str, ...] = tuple(MODELS)
    """Transcription models by name."""
    tools: tuple[FunctionSpec, ...] = ()
    """Tools that the gateway runs, whoever the client is."""
    speculations: int = 0
    """Answers that may be begun for one turn before it is certain that it has ended."""
    actions: tuple[FunctionSpec, ...] = ()
    """Commands that the client's interface may declare (ADR 0019)."""
    actions_only: bool = False
    """The client may declare no other function."""
    features: frozenset[str] = frozenset(FEATURES)
    """What the model may be asked for."""
    instructions: str | None = None
    """What the model's sessions begin with, None for the service's default."""


Input: TypeAlias = (
    Opened
    | Joined
    | FromClient
    | InvalidFromClient
    | AudioAppended
    | Allowed
    | Refused
    | PromptFound
    | PromptUnavailable
    | TokensReserved
    | SpeculationRoom
    | TokensRefused
    | Revoked
    | Narrowed
    | ToolsImported
    | ToolsNotImported
    | ToolReturned
    | PlaybackCleared
    | ToolProgressed
    | Drained
    | Shutdown
    | EngineReport
    | RelayInput
    | TranslationFromClient
)
