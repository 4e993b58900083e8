"""Whether each declared model can be built, and what it asks over the network answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from urllib.parse import urlsplit

from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from gateway.cli.findings import Finding
from gateway.engines.chat.brain import ChatBrain, ChatEndpoint
from gateway.engines.chat.configured import chat_endpoint, declared_endpoint
from gateway.engines.chat.faults import fault_of
from gateway.engines.installed import missing_skills
from gateway.engines.relay.endpoint import relay_endpoint
from gateway.engines.relay.opening import UpstreamFault, open_upstream
from gateway.settings import DeclaredModel, Settings
from gateway.settings.models import ASK_CHAT, models_in
from gateway.store.database import Database
from gateway.store.models import ModelStore, StoredModel
from realtime.ids import SequentialIds

FIX = "correct the model's declaration, or start what it asks"


def check_models(settings: Settings) -> list[Finding]:
    """Return a finding for each model that the file or the database declares."""
    found = [_finding(name, model, settings) for name, model in settings.declared.items()]
    return [*_usual_chat(settings), *_asked_skills(settings), *found, *_stored(settings)]


def _usual_chat(settings: Settings) -> Iterator[Finding]:
    """Try the chat model that answers where no declaration says otherwise."""
    endpoint = chat_endpoint(settings)
    if endpoint is None:
        return
    try:
        observed = asyncio.run(_probed(endpoint))
    except Exception as error:  # noqa: BLE001 -- whatever keeps it away is what was observed
        fix = "correct VOICEENGINE_CHAT_URL and VOICEENGINE_CHAT_API_KEY, or start that service"
        yield Finding("chat", "bad", fault_of(error).message, fix)
    else:
        yield Finding("chat", "good", observed)


def _asked_skills(settings: Settings) -> Iterator[Finding]:
    """Say where the settings give skills to a chat model, and one of the two is not there."""
    asked = {
        "VOICEENGINE_CHAT_SKILLS_TOOL": settings.chat_skills_tool,
        "VOICEENGINE_CHAT_SKILLS_FIRST": settings.chat_skills_first,
    }
    missing = missing_skills(settings)
    for name in (name for name, wanted in asked.items() if wanted):
        if chat_endpoint(settings) is None:
            fix = "set VOICEENGINE_CHAT_URL, or declare a model with `skills_tool`"
            yield Finding("ask skills", "warning", f"{name} without a chat model", fix)
        elif missing is not None:
            fix = "VOICEENGINE_SKILLS=true and `make run`, or VOICEENGINE_OVOS_BUS_URL"
            yield Finding("ask skills", "bad", f"{name} is not met. {missing}", fix)


def _stored(settings: Settings) -> Iterator[Finding]:
    for row in _rows(settings):
        try:
            (model,) = models_in({"models": {row.name: row.declaration}}).values()
        except (ValueError, ValidationError) as error:
            yield Finding(_label(row.name), "bad", str(error), "voiceengine models put")
        else:
            yield _finding(row.name, model, settings)


def _rows(settings: Settings) -> list[StoredModel]:
    async def read() -> list[StoredModel]:
        database = Database(settings.database)
        try:
            return await ModelStore(database).every()
        finally:
            await database.close()

    try:
        return asyncio.run(read())
    except (SQLAlchemyError, OSError):
        return []  # a database without tables, or none: the check before says so


def _label(name: str) -> str:
    return f"model {name}"


def _finding(name: str, model: DeclaredModel, settings: Settings) -> Finding:
    try:
        settings.check_model(name, model)
        if model.asks_skills and (missing := missing_skills(settings)) is not None:
            raise ValueError(f"it asks skills. {missing}")
        observed = asyncio.run(_asked(model, settings))
    except (ValueError, UpstreamFault) as error:
        return Finding(_label(name), "bad", str(error), FIX)
    except Exception as error:  # noqa: BLE001 -- whatever keeps it away is what was observed
        return Finding(_label(name), "bad", fault_of(error).message, FIX)
    return Finding(_label(name), "good", observed)


async def _asked(model: DeclaredModel, settings: Settings) -> str:
    """Try what the model asks; raise what keeps it away."""
    if model.relay is not None:
        endpoint = relay_endpoint(model.relay.setting(), settings)
        upstream = await open_upstream(endpoint)
        await upstream.link.close()
        return f"relay: {endpoint.host} begins sessions"
    if model.kind not in ASK_CHAT:
        return model.kind
    found = declared_endpoint(model.chat, settings) if model.chat else chat_endpoint(settings)
    if found is None:
        raise ValueError("it asks a chat model and declares none, nor is VOICEENGINE_CHAT_URL set")
    return f"{model.kind}: {await _probed(found)}"


async def _probed(endpoint: ChatEndpoint) -> str:
    """Ask a chat endpoint; raise what that raises."""
    chat = ChatBrain(endpoint, ids=SequentialIds())
    try:
        await chat.probe()
    finally:
        await chat.close()
    return f"{urlsplit(endpoint.base_url).hostname} answers; model {endpoint.model!r}"
