"""Keeps the registry as the file and the database declare it."""

from __future__ import annotations

import asyncio

import structlog
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from gateway.engines.declared import ModelBuilder
from gateway.engines.engine import Engine
from gateway.engines.registry import Registry
from gateway.settings import DeclaredModel
from gateway.settings.models import models_in
from gateway.store.models import ModelStore, StoredModel

_log = structlog.get_logger("models")


class Catalogue:
    """Models of the file once, at start; models of the database as they change."""

    def __init__(self, registry: Registry, builder: ModelBuilder, store: ModelStore) -> None:
        self._registry = registry
        self._builder = builder
        self._store = store
        self._seen: list[StoredModel] | None = None
        declared = builder.settings.declared
        engines, faults = builder.build(declared, registry.engines)
        if faults:
            told = "; ".join(f"model {name!r}: {fault}" for name, fault in faults.items())
            raise ValueError(told)
        registry.declare(engines)

    async def refresh(self) -> None:
        """Take over what changed in the database; what is wrong there is logged and left out."""
        rows = await self._store.every()
        if rows == self._seen:
            return
        self._seen = rows
        projects: dict[str, dict[str, Engine]] = {}
        for project_id in {row.project_id for row in rows}:
            own = [row for row in rows if row.project_id == project_id]
            projects[project_id] = self._built(project_id, own)
        self._registry.declare_projects(projects)

    def _built(self, project_id: str, rows: list[StoredModel]) -> dict[str, Engine]:
        declared: dict[str, DeclaredModel] = {}
        for row in rows:
            try:
                declared |= models_in({"models": {row.name: row.declaration}})
            except (ValueError, ValidationError) as error:
                _log.warning(
                    "model_refused", project_id=project_id, model=row.name, reason=str(error)
                )
        engines, faults = self._builder.build(declared, self._registry.engines)
        for name, fault in faults.items():
            _log.warning("model_refused", project_id=project_id, model=name, reason=fault)
        return engines

    async def run(self) -> None:
        """Look at the database again and again, until cancelled."""
        while True:
            await asyncio.sleep(self._builder.settings.models_poll_s)
            try:
                await self.refresh()
            except (SQLAlchemyError, OSError) as error:
                _log.warning("models_not_read", error=type(error).__name__)

    async def close(self) -> None:
        """Close what models were built on."""
        await self._builder.close()
