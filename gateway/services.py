"""What the edges share: one object, built by the composition root."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.settings import Settings

if TYPE_CHECKING:
    from gateway.engines.catalogue import Catalogue
    from gateway.engines.registry import Registry
    from gateway.engines.relay.warm import WarmPool
    from gateway.engines.translation import Translators
    from gateway.identity.operators import Operators
    from gateway.identity.service import Identity
    from gateway.limits.port import RateLimits
    from gateway.readiness import Readiness
    from gateway.recording.recorder import Recorder
    from gateway.sessions.admission import Admission
    from gateway.sessions.calls import Calls
    from gateway.sessions.directory import Directory
    from gateway.store.database import Database
    from gateway.store.prompts import PromptStore
    from gateway.tools.session import Tools
    from realtime.ports import IdSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The process's services; every one is replaceable by its port."""

    settings: Settings
    node: str
    """This installation's name among those that share a database."""
    ids: IdSource
    database: Database
    identity: Identity
    operators: Operators
    admission: Admission
    limits: RateLimits
    recorder: Recorder
    registry: Registry
    translators: Translators
    catalogue: Catalogue
    directory: Directory
    calls: Calls
    prompts: PromptStore
    tools: Tools
    warm: WarmPool
    readiness: Readiness = field()
