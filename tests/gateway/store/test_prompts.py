"""Prompts in the database: versions that never change, and projects that do not meet."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import insert

from gateway.identity.service import DEFAULT_ORGANISATION, DEFAULT_PROJECT, Identity
from gateway.store.database import Database
from gateway.store.prompts import PromptStore, new_prompt_id
from gateway.store.tables import Project


@pytest.fixture
async def store(database: Database, identity: Identity) -> PromptStore:
    """A store over a database with the default project."""
    del identity
    return PromptStore(database)


async def said(store: PromptStore, version: str | None = None) -> str | None:
    """Return what a version of the pirate says."""
    found = await store.find(DEFAULT_PROJECT, "pirate", version)
    return None if found is None else found.instructions


async def test_last_version_is_the_current_one(store: PromptStore) -> None:
    """Versions count from one; each can be asked for by its number."""
    assert await store.add(DEFAULT_PROJECT, "pirate", {"instructions": "Aye."}) == 1
    assert await store.add(DEFAULT_PROJECT, "pirate", {"instructions": "Arr."}) == 2
    assert [await said(store), await said(store, "1"), await said(store, "2")] == [
        "Arr.", "Aye.", "Arr.",
    ]  # fmt: skip
    (row,) = await store.every(DEFAULT_PROJECT)
    assert (row["id"], row["current_version"], row["versions"]) == ("pirate", 2, 2)


@pytest.mark.parametrize("version", ["0", "3", "-1", "1.0", "", "٣", "9" * 30])
async def test_version_that_is_none_is_not_there(store: PromptStore, version: str) -> None:
    """Whatever a client sends as a version is looked for, or refused, without a fault."""
    await store.add(DEFAULT_PROJECT, "pirate", {"instructions": "Aye."})
    assert await said(store, version) is None


@pytest.mark.parametrize("prompt_id", ["nobody", "", "a b", "x" * 65, "nul\x00", "é"])
async def test_prompt_that_is_none_is_not_there(store: PromptStore, prompt_id: str) -> None:
    """An id that no prompt could have reaches no database."""
    assert await store.find(DEFAULT_PROJECT, prompt_id) is None


async def test_another_projects_prompt_is_not_there(store: PromptStore, database: Database) -> None:
    """A prompt is found within its project only."""
    other = {"id": "proj_2", "organisation_id": DEFAULT_ORGANISATION, "name": "two"}
    async with database.transaction() as connection:
        await connection.execute(insert(Project).values(**other, settings={}, created_at=1))
    await store.add("proj_2", "pirate", {"instructions": "Aye."})
    assert await said(store) is None
    assert await store.every(DEFAULT_PROJECT) == []
    with pytest.raises(LookupError, match="no project"):
        await store.add("proj_3", "pirate", {})


async def test_versions_added_at_once_get_numbers_of_their_own(store: PromptStore) -> None:
    """Two operators never overwrite one another."""
    adding = [store.add(DEFAULT_PROJECT, "pirate", {"instructions": str(n)}) for n in range(5)]
    assert sorted(await asyncio.gather(*adding)) == [1, 2, 3, 4, 5]


async def test_made_up_ids_can_be_used(store: PromptStore) -> None:
    """They have the prefix and length of CONTRACT 17."""
    prompt_id = new_prompt_id()
    assert len(prompt_id.removeprefix("pmpt_")) == 21
    assert await store.add(DEFAULT_PROJECT, prompt_id, {"instructions": "x"}) == 1


@pytest.mark.parametrize("name", ["authorization", "headers"])
async def test_secret_in_a_tool_is_refused(store: PromptStore, name: str) -> None:
    """A version lies in clear and for good: nothing secret goes into one."""
    tool = {"type": "mcp", "server_label": "l", "server_url": "https://example.com", name: "x"}
    with pytest.raises(ValueError, match="in clear"):
        await store.add(DEFAULT_PROJECT, "pirate", {"tools": [tool]})
    assert await store.every(DEFAULT_PROJECT) == []
