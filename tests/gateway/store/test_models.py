"""Declarations of models in the database."""

from __future__ import annotations

import pytest

from gateway.identity.service import DEFAULT_PROJECT, Identity
from gateway.store.database import Database
from gateway.store.models import ModelStore, StoredModel


async def test_declaration_takes_the_place_of_the_one_before(
    database: Database, identity: Identity
) -> None:
    """A name is declared once in a project, and can be forgotten."""
    del identity
    store = ModelStore(database)
    await store.put(DEFAULT_PROJECT, "house", {"kind": "skills"})
    await store.put(DEFAULT_PROJECT, "house", {"kind": "echo"})
    assert await store.every() == [StoredModel(DEFAULT_PROJECT, "house", {"kind": "echo"})]
    assert await store.remove(DEFAULT_PROJECT, "house")
    assert not await store.remove(DEFAULT_PROJECT, "house")
    assert await store.every() == []


async def test_declaration_of_no_project_is_refused(database: Database) -> None:
    """A row of a tenant names a project that exists."""
    with pytest.raises(LookupError, match="no project"):
        await ModelStore(database).put("proj_9", "house", {})
