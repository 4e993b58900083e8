"""Every metric; none carries a session, call or user id."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

from gateway import VERSION

REGISTRY = CollectorRegistry(auto_describe=True)

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.2, 2, 5, 10)

SESSIONS = Gauge("voiceengine_sessions", "Live sessions.", ["kind"], registry=REGISTRY)
SESSIONS_STARTED = Counter(
    "voiceengine_sessions_started", "Sessions by the dialect of their client: ga, beta.",
    ["dialect"], registry=REGISTRY,
)  # fmt: skip
SESSIONS_ENDED = Counter(
    "voiceengine_sessions_ended", "Sessions by end reason.", ["reason"], registry=REGISTRY
)
SESSIONS_REVOKED = Counter(
    "voiceengine_sessions_revoked", "Sessions ended because their key was revoked.",
    registry=REGISTRY,
)  # fmt: skip
CALLS_ENDED = Counter(
    "voiceengine_calls_ended", "Calls by their way in and end reason, refused ones too.",
    ["ingress", "reason"], registry=REGISTRY,
)  # fmt: skip
RESPONSES = Counter(
    "voiceengine_responses", "Responses by final status.", ["status"], registry=REGISTRY
)
TOOL_CALLS = Counter(
    "voiceengine_tool_calls", "Tool calls by who carries them out.", ["executor"],
    registry=REGISTRY,
)  # fmt: skip
TOOL_RESULTS = Counter(
    "voiceengine_tool_results", "Ended calls that the gateway carried out or refused.",
    ["executor", "status"], registry=REGISTRY,
)  # fmt: skip
TOOL_SECONDS = Histogram(
    "voiceengine_tool_seconds", "Time of a call that the gateway carried out.", ["executor"],
    buckets=_SECONDS, registry=REGISTRY,
)  # fmt: skip
TOOL_IMPORTS = Counter(
    "voiceengine_tool_imports", "Imports of the tools of MCP servers, by how they ended.",
    ["status"], registry=REGISTRY,
)  # fmt: skip
CONTEXT_UPDATES = Counter(
    "voiceengine_context_updates", "What interfaces told the agent: completed, refused.",
    ["status"], registry=REGISTRY,
)  # fmt: skip
TURN_LATENCY_SECONDS = Histogram(
    "voiceengine_turn_latency_seconds",
    "From the detected end of a turn to the first audio of its answer.",
    buckets=_SECONDS,
    registry=REGISTRY,
)
STAGE_SECONDS = Histogram(
    "voiceengine_stage_seconds",
    "Time of one stage of a turn: stt, brain, tts.",
    ["stage"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
SPECULATIONS = Counter(
    "voiceengine_speculations",
    "Work begun before it was certainly wanted: what (stt, brain); started, used, discarded.",
    ["part", "outcome"],
    registry=REGISTRY,
)
SPECULATED_TOKENS_DISCARDED = Counter(
    "voiceengine_speculated_tokens_discarded",
    "Text tokens of answers begun early that nobody wanted: input, output.",
    ["direction"],
    registry=REGISTRY,
)
AUDIO_OUT_SAMPLES = Counter(
    "voiceengine_audio_out_samples", "Samples (24 kHz) of answers sent.", registry=REGISTRY
)
ERRORS = Counter(
    "voiceengine_errors", "Error events sent to clients, by code.", ["code"], registry=REGISTRY
)
DENIALS = Counter("voiceengine_denials", "Policy denials by reason.", ["reason"], registry=REGISTRY)
AUTH_FAILURES = Counter(
    "voiceengine_auth_failures", "Credentials refused, by reason.", ["reason"], registry=REGISTRY
)
RATE_LIMITED = Counter(
    "voiceengine_rate_limited",
    "Refusals by rate limit: where (rest, connect, response) and of what (requests, tokens).",
    ["where", "resource"],
    registry=REGISTRY,
)
HTTP_REQUESTS = Counter(
    "voiceengine_http_requests", "REST requests.", ["route", "status"], registry=REGISTRY
)
SLOW_READERS = Counter(
    "voiceengine_slow_readers", "Sessions ended because the client read too slowly.",
    registry=REGISTRY,
)  # fmt: skip
RTP_LOST = Counter("voiceengine_rtp_lost", "RTP packets that never came.", registry=REGISTRY)
RTP_LATE = Counter(
    "voiceengine_rtp_late", "RTP packets that came after their turn, or twice.", registry=REGISTRY
)
RTP_DROPPED = Counter(
    "voiceengine_rtp_dropped", "RTP packets dropped because recognition lags.", registry=REGISTRY
)
RTP_INVALID = Counter(
    "voiceengine_rtp_invalid", "RTP packets that are none of their codec's.", registry=REGISTRY
)
RTP_FORGED = Counter(
    "voiceengine_rtp_forged", "Packets of media that the caller did not send, or sent twice.",
    registry=REGISTRY,
)  # fmt: skip
ICE_SERVER_FAILURES = Counter(
    "voiceengine_ice_server_failures", "Calls answered without a server of ours, by its kind.",
    ["kind"], registry=REGISTRY,
)  # fmt: skip
ICE_FOLLOWED = Counter(
    "voiceengine_ice_followed", "Callers followed to another address.", registry=REGISTRY
)
ICE_DROPPED = Counter(
    "voiceengine_ice_dropped", "Packets that calls dropped: malformed, or too many at once.",
    registry=REGISTRY,
)  # fmt: skip
MEDIA_PORTS_EXHAUSTED = Counter(
    "voiceengine_media_ports_exhausted", "Calls refused because no port was left.",
    registry=REGISTRY,
)  # fmt: skip
PLAYOUT_DROPPED = Counter(
    "voiceengine_playout_dropped", "Pieces of answers dropped because too much waits to be played.",
    registry=REGISTRY,
)  # fmt: skip
TASKS = Gauge(
    "voiceengine_tasks", "Tasks of the event loop: one for each connection, a few besides.",
    registry=REGISTRY,
)  # fmt: skip
PARTS_READY = Gauge(
    "voiceengine_part_ready", "1 while a part passed its last probe.", ["part"], registry=REGISTRY
)
PART_RESTARTS = Counter(
    "voiceengine_part_restarts", "Restarts of supervised parts.", ["part"], registry=REGISTRY
)
RECORDER_ROWS_DROPPED = Counter(
    "voiceengine_recorder_rows_dropped",
    "Rows not recorded: events at the recorder's bound, rows the database refused.",
    registry=REGISTRY,
)  # fmt: skip
RECORDER_BACKLOG = Gauge(
    "voiceengine_recorder_backlog_rows", "Rows waiting for the database.", registry=REGISTRY
)
BUILD = Info("voiceengine_build", "Which version runs.", registry=REGISTRY)
BUILD.info({"version": VERSION})
FALLBACKS = Counter(
    "voiceengine_fallbacks", "Responses and sessions that a model's fallback took over.",
    registry=REGISTRY,
)  # fmt: skip
ROUTED = Counter(
    "voiceengine_routed", "Responses that a route gave to another model, by that model.", ["model"],
    registry=REGISTRY,
)  # fmt: skip
COST = Counter(
    "voiceengine_cost_micros",
    "Cost by the models' price lists, in millionths of their currency: of responses, of time.",
    ["model", "kind"],
    registry=REGISTRY,
)
RELAY_CONNECT_FAILURES = Counter(
    "voiceengine_relay_connect_failures",
    "Attempts to begin a session at a relayed endpoint that failed, by reason.",
    ["reason"],
    registry=REGISTRY,
)
RELAY_WARM = Counter(
    "voiceengine_relay_warm_connections",
    "Sessions that asked for a connection opened ahead: hit, miss.",
    ["result"],
    registry=REGISTRY,
)
RELAY_LOSSES = Counter(
    "voiceengine_relay_losses",
    "Connections to relayed endpoints given up under a session: closed, silent, garbage, expired,"
    " renewed.",
    ["reason"],
    registry=REGISTRY,
)
