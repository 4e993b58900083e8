"""The composition root: settings become services, services become an application.

The only place that knows concrete classes; long, flat and boring.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from gateway.api import routes as rest
from gateway.api.faults import on_http_exception, on_wire_fault
from gateway.api.middleware import BoundedBodies, NothingInternal, PlatformHeaders
from gateway.api.rates import RATE_LIMIT_HEADERS
from gateway.console import playground
from gateway.engines.catalogue import Catalogue
from gateway.engines.declared import ModelBuilder
from gateway.engines.echo import EchoBrain, ToneSynthesiser
from gateway.engines.embedded import Embedded
from gateway.engines.engine import Engine
from gateway.engines.registry import Registry
from gateway.engines.relay.endpoint import relay_endpoints
from gateway.engines.relay.warm import WarmPool
from gateway.engines.translation import Translators
from gateway.identity.operators import Operators
from gateway.identity.secrets import Pepper
from gateway.identity.service import Identity
from gateway.ingress.websocket import routes as websocket
from gateway.limits.memory import MemoryRateLimits
from gateway.readiness import PartState, Readiness
from gateway.recording.recorder import Recorder
from gateway.secrets.keyring import Keyring
from gateway.services import Services
from gateway.sessions.admission import LocalAdmission, TimedAdmission
from gateway.sessions.calls import Calls
from gateway.sessions.directory import Directory
from gateway.sessions.lost_calls import LostCalls
from gateway.sessions.revocation import RevocationWatch
from gateway.settings import Settings
from gateway.store.database import Database
from gateway.store.models import ModelStore
from gateway.store.node import node_id
from gateway.store.prompts import PromptStore
from gateway.telemetry import tracing
from gateway.tools.session import Tools
from gateway.tools.skills import SkillsTool
from realtime.errors import WireFault
from realtime.ids import ALPHABET, RandomIds

EXPOSED_HEADERS = (
    "Location",
    "openai-organization",
    "openai-processing-ms",
    "openai-version",
    "retry-after",
    "retry-after-ms",
    *RATE_LIMIT_HEADERS,
    "x-request-id",
)
RECORDER_FLUSH_S = 5.0
CALLS_END_S = 5.0
"""How long calls may take to end before the record is closed."""
_BYTE_TO_CHARACTER = {byte: ord(ALPHABET[byte % len(ALPHABET)]) for byte in range(256)}


class RandomText:
    """Random characters for public ids, drawn in stock, since every delta bears an id."""

    STOCK = 16_384

    def __init__(self) -> None:
        self._stock = ""
        self._used = 0

    def __call__(self, length: int) -> str:
        """Return characters that nobody else gets."""
        start = self._used
        self._used += length
        if self._used > len(self._stock):
            drawn = secrets.token_bytes(self.STOCK)
            self._stock = drawn.decode("latin-1").translate(_BYTE_TO_CHARACTER)
            start, self._used = 0, length
        return self._stock[start : self._used]


def _skills_tool(settings: Settings, embedded: Embedded) -> SkillsTool | None:
    if embedded.skills is None:
        return None
    brain = embedded.skills.answering(alone=False)
    return SkillsTool(brain, timeout_s=settings.answer_timeout_s)


def build_services(settings: Settings) -> tuple[Services, Embedded]:
    """Build every service; nothing runs yet."""
    readiness = Readiness()
    database = Database(settings.database)
    ids = RandomIds(unix_s=lambda: int(time.time()), choose=RandomText())
    embedded = Embedded(settings, readiness, ids)
    default = embedded.engine()
    echo = Engine(
        name="echo", brain=EchoBrain(), synthesiser=ToneSynthesiser(), needs_transcript=False
    )
    endpoints = relay_endpoints(settings)
    relays = {
        name: Engine(name="relay", brain=EchoBrain(), relay=endpoint)
        for name, endpoint in endpoints.items()
    }
    registry = Registry(default, echo=echo, relays=relays)
    services = Services(
        settings=settings,
        node=node_id(settings.data_dir / "node"),
        ids=ids,
        database=database,
        identity=Identity(
            database,
            Pepper.load(settings.data_dir / "pepper"),
            Keyring.load(settings.data_dir / "keyring"),
        ),
        operators=Operators(),
        admission=TimedAdmission(LocalAdmission()),
        limits=MemoryRateLimits(
            requests_per_minute=settings.requests_per_minute,
            tokens_per_minute=settings.tokens_per_minute,
            monotonic_s=time.monotonic,
        ),
        recorder=Recorder(database, most_rows=settings.recorder_queue_rows),
        registry=registry,
        translators=Translators.of(default, embedded.chat, registry),
        catalogue=Catalogue(
            registry,
            ModelBuilder(embedded, settings, ids=ids, monotonic_s=time.monotonic),
            ModelStore(database),
        ),
        directory=Directory(),
        calls=Calls(most=settings.calls_most),
        tools=Tools(
            settings.tools,
            allowed_origins=settings.tool_origins,
            actions=settings.client_actions,
            contexts=settings.context_updates,
            actions_only=settings.client_actions_only,
            skills=_skills_tool(settings, embedded),
        ),
        prompts=PromptStore(database),
        warm=WarmPool(registry.endpoints),
        readiness=readiness,
    )
    return services, embedded


def _lifespan(
    services: Services, embedded: Embedded
) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        provider = tracing.configure(services.settings.otel_endpoint)
        await services.identity.ensure_default_project()
        services.readiness.set("database", PartState.READY, services.database.dialect)
        await services.catalogue.refresh()
        lost = LostCalls(services)
        await lost.look()
        async with embedded, asyncio.TaskGroup() as tasks:
            writer = tasks.create_task(services.recorder.run())
            watch = RevocationWatch(
                services.identity, services.directory, poll_s=services.settings.revocation_poll_s
            )
            background = (
                tasks.create_task(watch.run()),
                tasks.create_task(services.catalogue.run()),
                tasks.create_task(services.warm.run()),
                tasks.create_task(lost.run()),
            )
            services.calls.live_in(tasks)
            yield
            for task in background:
                task.cancel()
            services.directory.shut_down()
            await services.calls.wait_over(CALLS_END_S)
            services.recorder.stop()
            await asyncio.wait([writer], timeout=RECORDER_FLUSH_S)
            writer.cancel()
        lost.close()
        await services.tools.close()
        await services.catalogue.close()
        await services.database.close()
        if provider is not None:
            provider.shutdown()

    return lifespan


def build_app(services: Services, embedded: Embedded) -> Starlette:
    """Build the application around the services."""
    settings = services.settings
    return Starlette(
        routes=[*rest.routes(services), *websocket.routes(services), *playground.routes(services)],
        middleware=[
            Middleware(PlatformHeaders, limits=services.limits),
            Middleware(
                CORSMiddleware,
                allow_origins=settings.cors_origins,
                allow_methods=["GET", "POST", "OPTIONS"],
                allow_headers=["*"],
                # A page of the public web may call a gateway in the browser's own network.
                allow_private_network=True,
                expose_headers=list(EXPOSED_HEADERS),
                max_age=600,
            ),
            Middleware(
                BoundedBodies,
                most_bytes=settings.max_body_bytes,
                timeout_s=settings.body_timeout_s,
            ),
            Middleware(NothingInternal),
        ],
        exception_handlers={
            WireFault: on_wire_fault,
            HTTPException: on_http_exception,
        },
        lifespan=_lifespan(services, embedded),
    )


def build_internal_app(services: Services) -> Starlette:
    """Build what the internal port serves; whoever reaches it is trusted to read metrics."""
    return Starlette(routes=rest.internal_routes(services))
