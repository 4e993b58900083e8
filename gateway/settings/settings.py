"""Every setting, read once at start; nothing else reads the environment."""

from __future__ import annotations

from functools import cached_property
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import AliasChoices, Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from gateway.settings.engines import (
    CartesiaSynthesiser,
    OpenAISynthesiser,
    PluginSetting,
    RecogniserSetting,
    RelaySetting,
)
from gateway.settings.models import DeclaredModel, read_models
from gateway.settings.network import NetworkSettings
from gateway.settings.tools import ClientAction, ContextUpdate, WebhookTool, check_tool_names
from ovos_bridge.speech.choices import WAKE_WORDS

PREFIX = "VOICEENGINE_"
SECRETS_DIR = Path("/run/secrets")
"""A setting is also read from a file here, named as its variable in small letters."""


class Settings(NetworkSettings):
    """Settings by name; the environment variable is `VOICEENGINE_` and the name in capitals."""

    # An empty variable is an unset one: a compose file hands every variable on.
    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        frozen=True,
        extra="ignore",
        env_ignore_empty=True,
        # A setting may hold keys, and what is wrong with one is printed.
        hide_input_in_errors=True,
        secrets_dir=SECRETS_DIR if SECRETS_DIR.is_dir() else None,
    )

    # --- where it listens ---
    host: str = Field(
        "127.0.0.1",
        validation_alias=AliasChoices("HOST", PREFIX + "HOST", "host"),
        description="Address to listen on. Also read from `HOST`.",
    )
    port: int = Field(
        8000,
        ge=0,
        le=65_535,
        validation_alias=AliasChoices("PORT", PREFIX + "PORT", "port"),
        description="TCP port of the API; 0 takes a free one. Also read from `PORT`.",
    )
    internal_port: int | None = Field(
        None,
        ge=0,
        le=65_535,
        validation_alias=AliasChoices("INTERNAL_PORT", PREFIX + "INTERNAL_PORT", "internal_port"),
        description="Moves `/metrics` to a port of its own, without TLS; 0 takes a free one. "
        "Also read from `INTERNAL_PORT`.",
    )
    tls: bool = Field(
        False,
        validation_alias=AliasChoices("TLS", PREFIX + "TLS", "tls"),
        description="Serve https and wss. Also read from `TLS`.",
    )
    tls_certificate: Path | None = Field(
        None, description="PEM certificate chain; without one a development authority is made."
    )
    tls_key: Path | None = Field(None, description="PEM private key of the certificate.")
    cors_origins: list[str] = Field(
        ["*"], description="Origins that browsers may call from; a JSON list."
    )
    trusted_proxies: list[IPv4Network | IPv6Network] = Field(
        [IPv4Network("127.0.0.1/32"), IPv6Network("::1/128")],
        description="Addresses or networks of proxies in front, whose `X-Forwarded-For` and "
        "`X-Forwarded-Proto` say who calls; a JSON list. Nobody else is believed.",
    )

    # --- state ---
    data_dir: Path = Field(Path("var"), description="Where everything that is kept lies.")
    database_url: str | None = Field(
        None,
        description="SQLAlchemy URL (`postgresql+asyncpg://…`); default: SQLite in `data_dir`.",
    )
    database_password: SecretStr | None = Field(
        None, description="Password for `database_url`, so that the URL can do without."
    )

    # --- bounds ---
    max_body_bytes: int = Field(1_048_576, ge=1_024, description="Largest body of a REST request.")
    body_timeout_s: float = Field(
        30.0, gt=0, description="Longest time the body of a REST request may take to arrive."
    )
    ws_max_message_bytes: int = Field(
        22_020_096, ge=1_048_576, description="Largest WebSocket message; 15 MiB appends are legal."
    )
    ws_ping_interval_s: float = Field(20.0, gt=0, description="Time between pings to a client.")
    ws_ping_timeout_s: float = Field(
        30.0, gt=0, description="A client that does not answer a ping for this long is gone."
    )
    send_queue_bytes: int = Field(
        8_388_608,
        ge=65_536,
        description="Unsent bytes at which a slow reader's session ends with close code 1008.",
    )
    send_timeout_s: float = Field(
        20.0, gt=0, description="Longest time one frame may take to be taken by a client."
    )
    revocation_poll_s: float = Field(
        5.0, gt=0, description="How often the keys of live sessions are looked at for revocation."
    )
    input_ring_bytes: int = Field(
        33_554_432,
        ge=1_048_576,
        description="Uncommitted input audio kept per session; beyond it the oldest is dropped.",
    )
    item_audio_bytes: int = Field(
        33_554_432,
        ge=0,
        description="Audio of items kept per session for retrieval; the oldest is dropped first.",
    )
    detection_lag_ms: int = Field(
        20_000,
        ge=1_000,
        description="Input audio ahead of voice activity at which the socket is not read.",
    )
    session_max_minutes: int = Field(60, ge=1, description="Longest session.")

    # --- calls ---
    calls_most: int = Field(200, ge=0, description="Most live calls of one process; 0 takes none.")
    call_connect_timeout_s: float = Field(
        30.0, gt=0, description="How long a call may take to connect once it was answered."
    )

    # --- turns and answers ---
    speech_start_ms: int = Field(64, ge=32, description="Run of voiced audio that begins a turn.")
    output_first_ms: int = Field(100, ge=20, description="Audio of an answer sent at once.")
    output_pace: float = Field(6.0, ge=1.0, description="Pace of the rest, times real time.")
    translation_stretch_s: float = Field(
        8.0,
        ge=1.0,
        le=30.0,
        description="Longest stretch of speech that is translated at once; pauses end one sooner.",
    )
    tokens_per_minute: int = Field(
        15_000_000,
        ge=1,
        description="Tokens a project may use of a model in a minute, by responses of any session.",
    )
    requests_per_minute: int = Field(
        20_000,
        ge=1,
        description="REST calls, connections and responses of a project and model in a minute.",
    )
    language: str = Field("en-US", description="Language of speech and skills (BCP 47).")
    languages: list[str] = Field(
        default_factory=list,
        description="Further languages that the embedded skills are trained in, a JSON list; "
        "training takes a minute each, once.",
    )
    timezone: str | None = Field(
        None,
        description="Time zone of sessions that state none (IANA name); default: this machine's.",
    )
    beta_dialect: bool = Field(
        True,
        description="Serve clients of the retired beta (`OpenAI-Beta: realtime=v1`); without it "
        "they are refused as the live service refuses them.",
    )

    # --- models ---
    models: Path | None = Field(
        None,
        description="A file of models, TOML or JSON: what answers behind a name that clients use, "
        "with which voice, at which price; see docs/models.md.",
    )
    models_poll_s: float = Field(
        5.0, gt=0, description="How often the database is looked at for models that changed."
    )

    # --- chat model ---
    chat_url: str | None = Field(
        None,
        description="Base URL of an OpenAI-compatible chat endpoint that answers instead of "
        "skills, such as `http://127.0.0.1:11434/v1`; with a key alone it is OpenAI's.",
    )
    chat_api_key: SecretStr | None = Field(
        None, description="Key for the chat endpoint; without `chat_url` for OpenAI's."
    )
    openai_api_key: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("OPENAI_API_KEY"),
        description="The same for OpenAI's own endpoint and no other; a key of this gateway is "
        "taken for none.",
    )
    chat_key_header: Literal["authorization", "api-key"] = Field(
        "authorization", description="Where the chat endpoint reads its key; Azure: `api-key`."
    )
    chat_model: str = Field("gpt-4.1-mini", description="The model to ask there.")
    chat_skills_first: bool = Field(
        False,
        description="Ask OVOS skills first, and the chat model what no skill understands.",
    )
    chat_first_token_s: float = Field(
        20.0, gt=0, description="Longest wait for the first word of the chat model."
    )
    chat_next_token_s: float = Field(
        10.0, gt=0, description="Longest wait between two pieces of the chat model's answer."
    )

    chat_speculations: int = Field(
        1,
        ge=0,
        le=8,
        description="Answers that the chat model may be asked for, for one turn, before it is "
        "certain that the turn has ended. One that is not used is paid for all the same; 0 asks "
        "when the turn has ended.",
    )
    chat_clauses: bool = Field(
        True,
        description="Speak the chat model's answer clause by clause as it comes; else when it "
        "is whole.",
    )
    chat_skills_tool: bool = Field(
        False,
        description="Give the chat model a tool that hands what it likes to OVOS skills and "
        "returns what they say; models that are declared say so themselves (`skills_tool`).",
    )

    # --- relayed models ---
    relays: dict[str, RelaySetting] = Field(
        default_factory=dict,
        description="Model names that another Realtime endpoint answers for, JSON: an object of "
        "`url` (`wss://…/v1/realtime`), `model` (its name there), `api_key` and `key_header` "
        "(`authorization`, or `api-key` for Azure).",
    )
    relay_connect_timeout_s: float = Field(
        10.0, gt=0, description="Longest time until a relayed endpoint has begun a session."
    )
    relay_silence_s: float = Field(
        30.0,
        gt=0,
        description="Longest time without an event of a relayed endpoint while it answers.",
    )
    relay_reconnect_s: float = Field(
        30.0,
        gt=0,
        description="How long a lost connection to a relayed endpoint is tried again before the "
        "session ends.",
    )

    # --- speech and skills ---
    skills: bool = Field(True, description="Answer with OVOS skills.")
    ovos_bus_url: str | None = Field(
        None, description="An OVOS message bus that runs already; nothing of OVOS is started then."
    )
    ovos_bus_turns: int = Field(
        4,
        ge=1,
        le=64,
        description="Questions at a time inside an OVOS that runs already; further ones wait. "
        "A stock core has a handful of threads, and skills that wait hold them.",
    )
    speech_python: Path | None = Field(
        None, description="Python of the speech environment; default `data_dir`/venv/speech."
    )
    speech: bool = Field(
        True, description="Start the speech worker; without it there is text only."
    )
    speech_socket: Path | None = Field(
        None,
        description="Unix socket of a speech worker that runs elsewhere, such as in a container "
        "beside; none is started then.",
    )
    stt_module: str = Field("sphinx-stream", description="OVOS plugin for recognition.")
    stt_options: dict[str, Any] = Field(
        default_factory=dict, description="Options of that plugin; a JSON object."
    )
    recognisers: dict[str, RecogniserSetting] = Field(
        default_factory=dict,
        description="More recognisers by name, JSON: a plugin's name, an object of `module`, "
        "`options` and `slots` (utterances at a time), or an endpoint by its `kind` (`openai`, "
        "`deepgram`), `url`, `model` and `api_key`. One named `default` replaces `stt_module`.",
    )
    transcription_models: dict[str, str] = Field(
        default_factory=dict,
        description="Transcription model names and the recogniser that each gets, JSON; the "
        "names of the API get `default`, further names become known by this.",
    )
    tts_module: str = Field("espeak-stream", description="OVOS plugin for synthesis.")
    tts_options: dict[str, Any] = Field(
        default_factory=dict, description="Options of that plugin; a JSON object."
    )
    synthesiser: OpenAISynthesiser | CartesiaSynthesiser | None = Field(
        None,
        description="An endpoint that speaks instead of that plugin, JSON: its `kind` (`openai`, "
        "`cartesia`), `url`, `model`, `api_key`, and `voice` for names that `voices` leaves out.",
    )
    synthesisers: dict[str, OpenAISynthesiser | CartesiaSynthesiser] = Field(
        default_factory=dict,
        description="More such endpoints by name, JSON, for models that name one.",
    )
    voices: dict[str, str] = Field(
        default_factory=dict,
        description="Voice names and what the synthesis plugin or endpoint calls them, JSON; "
        "names of the API and further ones.",
    )
    vad_module: str = Field("silero-batched", description="OVOS plugin for voice activity.")
    vad_options: dict[str, Any] = Field(
        default_factory=dict, description="Options of that plugin; a JSON object."
    )
    wake_words: dict[str, str | PluginSetting] = Field(
        default_factory=dict,
        description="More wake words by name, JSON: an OVOS plugin's name, or an object of "
        "`module` and `options`. `hey_jarvis`, `hey_mycroft`, `okay_nabu` and `alexa` are there.",
    )
    wake_word: str | None = Field(
        None,
        description="Wake word of sessions that state none (`?wake_word=`); by default they have "
        "none. Speech counts after the word, until the turn ends.",
    )
    recognition_timeout_s: float = Field(
        10.0, gt=0, description="Longest wait for a transcript after the end of an utterance."
    )
    synthesis_timeout_s: float = Field(
        10.0, gt=0, description="Longest wait for the next audio of a spoken segment."
    )
    answer_timeout_s: float = Field(
        15.0, gt=0, description="Longest time a skill may take for an answer."
    )
    blocked_skills: list[str] = Field(
        default_factory=list,
        description="Skills that no session may reach, a JSON list of OVOS skill ids.",
    )
    skills_network: bool = Field(
        False, description="Let skills reach other machines; else their sockets are loopback only."
    )

    # --- tools that the gateway runs ---
    tools: list[WebhookTool] = Field(
        default_factory=list,
        description="Webhooks that models may call, a JSON list of objects with `name`, `url` and "
        "optionally `description`, `parameters`, `result`, `headers`, `timeout_s`, `retries`, "
        "`shown`, `models`, `projects`; see docs/tools.md.",
    )
    tool_origins: list[str] = Field(
        default_factory=list,
        description="Origins (`http://10.0.0.5:8000`) that MCP servers and webhooks may have "
        "besides public HTTPS ones, a JSON list.",
    )
    mcp_import_timeout_s: float = Field(
        10.0, gt=0, description="Longest time an MCP server may take to tell its tools."
    )
    mcp_call_timeout_s: float = Field(
        30.0, gt=0, description="Longest time a call of an MCP server's tool may take."
    )
    mcp_call_most_s: float = Field(
        300.0, gt=0, description="The same for a call whose server tells that it goes on."
    )
    most_offered_tools: int = Field(
        128, ge=1, description="Tools that a model is told of at most: the client's own first."
    )
    client_actions: list[ClientAction] = Field(
        default_factory=list,
        description="Commands that models may give to a client's own interface, a JSON list of "
        "objects with `name` and optionally `description`, `parameters`, `confirm`, `most_bytes`, "
        "`models`, `projects`; see docs/tools.md.",
    )
    context_updates: list[ContextUpdate] = Field(
        default_factory=list,
        description="What an interface may tell the agent unanswered, a JSON list of objects with "
        "`name` and optionally `description`, `data`, `most_bytes`, `models`, `projects`.",
    )
    client_actions_only: bool = Field(
        False,
        description="Take no function of a client's besides these actions, and of holders of "
        "client secrets no system message besides these updates.",
    )
    tool_rounds: int = Field(
        8, ge=1, le=64, description="How often calls may follow calls within one response."
    )

    # --- operation ---
    drain_timeout_s: float = Field(
        10.0, ge=0, description="Time that sessions have to end after SIGTERM."
    )
    probe_timeout_s: float = Field(
        2.0, gt=0, description="Longest wait for the database when `/readyz` asks it."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severity that is logged."
    )
    log_format: Literal["json", "text"] = Field("json", description="Form of log lines.")
    otel_endpoint: str | None = Field(
        None, description="OTLP/HTTP collector for traces; none are exported without it."
    )
    recorder_queue_rows: int = Field(
        20_000,
        ge=100,
        description="Rows waiting for the database, or 64 MiB of events; beyond it event rows are "
        "dropped and counted.",
    )

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        unknown = {*self.transcription_models.values()} - {"default", *self.recognisers}
        if unknown:
            raise ValueError(f"transcription_models names unknown recognisers {sorted(unknown)}")
        for name, model in self.declared.items():
            self.check_model(name, model)
        check_tool_names(self.tools)
        if self.wake_word is not None and self.wake_word not in {*WAKE_WORDS, *self.wake_words}:
            raise ValueError(f"wake_word names an unknown word {self.wake_word!r}")
        return self

    @cached_property
    def declared(self) -> dict[str, DeclaredModel]:
        """The models of the file, by the names that clients use; read once."""
        return read_models(self.models) if self.models else {}

    def check_model(self, name: str, model: DeclaredModel) -> None:
        """Refuse a model whose parts are not configured.

        Raises:
            ValueError: it names one.
        """
        if model.recogniser not in {None, "default", *self.recognisers}:
            raise ValueError(f"model {name!r} names an unknown recogniser {model.recogniser!r}")
        if model.synthesiser not in {None, "default", *self.synthesisers}:
            raise ValueError(f"model {name!r} names an unknown synthesiser {model.synthesiser!r}")
        if model.asks_skills and not self.skills:
            raise ValueError(f"model {name!r} asks skills, and VOICEENGINE_SKILLS is false")

    @property
    def database(self) -> str:
        """The database's SQLAlchemy URL."""
        default = f"sqlite+aiosqlite:///{(self.data_dir / 'voiceengine.db').absolute()}"
        secret = self.database_password
        if self.database_url is None or secret is None or not secret.get_secret_value():
            return self.database_url or default
        from sqlalchemy.engine import make_url  # noqa: PLC0415 -- health checks do without it

        url = make_url(self.database_url).set(password=secret.get_secret_value())
        return url.render_as_string(hide_password=False)

    @property
    def worker_python(self) -> Path:
        """The Python that runs the speech worker and OVOS."""
        return self.speech_python or self.data_dir / "venv" / "speech" / "bin" / "python"
