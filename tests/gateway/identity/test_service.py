"""Keys and client secrets: made, checked, revoked."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from sqlalchemy import select

from gateway.identity import service as identities
from gateway.identity.principal import Principal
from gateway.identity.secrets import Pepper
from gateway.identity.service import DEFAULT_ORGANISATION, DEFAULT_PROJECT, Identity
from gateway.secrets.keyring import Keyring
from gateway.store.database import Database
from gateway.store.tables import ApiKey, ClientSecret, Project
from gateway.store.upsert import insert_ignore
from realtime.errors import InvalidApiKey, MissingCredential
from tests.gateway.conftest import Clock

KEYRING = Keyring({1: b"k" * 32})
REQUEST = "req_" + "0" * 32


async def owner(identity: Identity) -> Principal:
    """Make a key and return who holds it."""
    return await identity.authenticate(await identity.create_key("a"))


async def mint(identity: Identity, *, ttl_s: int = 600, **session: Any) -> str:
    """Make a client secret with a key of its own."""
    value, _ = await identity.mint(await owner(identity), session, ttl_s=ttl_s, request_id=REQUEST)
    return value


class TestProjectKeys:
    """Keys of a project."""

    async def test_key_is_its_projects(self, identity: Identity) -> None:
        """The principal names organisation and project."""
        who = await owner(identity)
        assert (who.kind, who.organisation_id, who.project_id) == (
            "api_key", DEFAULT_ORGANISATION, DEFAULT_PROJECT,
        )  # fmt: skip
        assert who.session is None

    async def test_only_a_hash_is_stored(self, identity: Identity, database: Database) -> None:
        """The table has neither the key nor its secret."""
        text = await identity.create_key("a")
        secret = text.split("-")[3]
        async with database.transaction() as connection:
            row = (await connection.execute(select(ApiKey))).mappings().one()
        assert secret not in repr(dict(row))
        assert len(row["secret_hash"]) == 32
        assert bytes.fromhex(secret) != row["secret_hash"]

    async def test_revoked_key_is_refused_at_once(self, identity: Identity) -> None:
        """On the instance that revokes, no remembered check survives."""
        text = await identity.create_key("a")
        who = await identity.authenticate(text)
        assert await identity.revoke_key(who.key_id)
        with pytest.raises(InvalidApiKey):
            await identity.authenticate(text)

    async def test_revoking_twice_says_so(self, identity: Identity) -> None:
        """Only the first revocation finds a valid key."""
        who = await owner(identity)
        assert await identity.revoke_key(who.key_id)
        assert not await identity.revoke_key(who.key_id)
        assert not await identity.revoke_key("none")

    async def test_revocation_elsewhere_holds_within_the_bound(
        self, identity: Identity, database: Database, clock: Clock
    ) -> None:
        """Another instance remembers a check for at most `CACHE_S`."""
        other = Identity(database, Pepper(b"p" * 32), KEYRING, unix_s=clock)
        text = await identity.create_key("a")
        who = await other.authenticate(text)
        await identity.revoke_key(who.key_id)
        clock.now_s += identities.CACHE_S
        with pytest.raises(InvalidApiKey):
            await other.authenticate(text)

    async def test_expired_key_is_refused_to_the_second(
        self, identity: Identity, clock: Clock
    ) -> None:
        """A remembered check does not outlive the key."""
        text = await identity.create_key("a", expires_in_s=5)
        await identity.authenticate(text)
        clock.now_s += 5
        with pytest.raises(InvalidApiKey):
            await identity.authenticate(text)

    async def test_remembered_id_with_another_secret_is_refused(self, identity: Identity) -> None:
        """The memory is no way around the secret."""
        text, other = await identity.create_key("a"), await identity.create_key("b")
        await identity.authenticate(text)
        first, second = text.split("-"), other.split("-")
        forged = identities.parse_key(text)
        assert forged is not None
        with pytest.raises(InvalidApiKey):
            await identity.authenticate("-".join([*first[:3], second[3], first[4]]))

    async def test_key_is_recalled_while_it_is_remembered(
        self, identity: Identity, clock: Clock
    ) -> None:
        """Without the database: the same principal, and nobody for anything else."""
        text, other = await identity.create_key("a"), await identity.create_key("b")
        assert identity.recall(text) is None
        who = await identity.authenticate(text)
        assert identity.recall(text) == who
        for unknown in (None, "", "ek_0", other, text[:-1]):
            assert identity.recall(unknown) is None
        await identity.revoke_key(who.key_id)
        assert identity.recall(text) is None
        await identity.authenticate(other)
        clock.now_s += identities.CACHE_S
        assert identity.recall(other) is None

    async def test_other_pepper_makes_keys_void(
        self, identity: Identity, database: Database
    ) -> None:
        """A copied database is worth nothing without its pepper."""
        text = await identity.create_key("a")
        with pytest.raises(InvalidApiKey):
            await Identity(database, Pepper(b"q" * 32), KEYRING).authenticate(text)

    async def test_key_of_unknown_project_is_not_made(self, identity: Identity) -> None:
        """`keys create --project` says what is wrong."""
        with pytest.raises(LookupError, match="proj_none"):
            await identity.create_key("a", project_id="proj_none")

    async def test_list_shows_no_secret(self, identity: Identity) -> None:
        """Name, ends and times."""
        text = await identity.create_key("first")
        (shown,) = await identity.list_keys()
        assert shown["name"] == "first"
        assert shown["shown"].endswith(text[-4:])
        assert "secret_hash" not in shown


class TestRefusals:
    """One answer for every credential that is not valid."""

    async def test_nothing_is_missing(self, identity: Identity) -> None:
        """No credential has an answer of its own."""
        for nothing in (None, ""):
            with pytest.raises(MissingCredential):
                await identity.authenticate(nothing)

    @pytest.mark.parametrize(
        "text",
        [
            "sk-proj-something-else-000000",
            "ek_" + "0" * 32,
            "sk-ve-a-b-c",
            "x",
            "\udcff" * 20,
            "é" * 50,
        ],
    )
    async def test_unknown_credential_is_refused_masked(
        self, identity: Identity, text: str
    ) -> None:
        """The contract's sentence, with the middle of the key hidden."""
        with pytest.raises(InvalidApiKey) as refused:
            await identity.authenticate(text)
        assert refused.value.message.startswith("Incorrect API key provided: ")
        assert text not in refused.value.message


class TestClientSecrets:
    """Ephemeral keys."""

    async def test_secret_opens_with_its_session(self, identity: Identity) -> None:
        """It carries what it was minted with, and its issuer's project."""
        value = await mint(identity, type="realtime", instructions="Be brief.")
        who = await identity.authenticate(value)
        assert who.kind == "client_secret"
        assert who.project_id == DEFAULT_PROJECT
        assert who.session == {"type": "realtime", "instructions": "Be brief."}
        assert who.client_secret_id is not None
        assert who.client_secret_id.startswith("eks_")

    async def test_secret_serves_several_times_until_it_expires(
        self, identity: Identity, clock: Clock
    ) -> None:
        """Expiry limits starting sessions only (CONTRACT 2)."""
        value = await mint(identity, ttl_s=10)
        for _ in range(3):
            await identity.authenticate(value)
        clock.now_s += 9
        await identity.authenticate(value)
        clock.now_s += 1
        with pytest.raises(InvalidApiKey):
            await identity.authenticate(value)

    async def test_secret_dies_with_its_key(self, identity: Identity) -> None:
        """Revoking a key voids what it minted."""
        value = await mint(identity)
        who = await identity.authenticate(value)
        await identity.revoke_key(who.key_id)
        with pytest.raises(InvalidApiKey):
            await identity.authenticate(value)

    async def test_only_a_hash_is_stored_with_the_request(
        self, identity: Identity, database: Database
    ) -> None:
        """The row names the request that minted it, and not the secret."""
        value = await mint(identity)
        async with database.transaction() as connection:
            row = (await connection.execute(select(ClientSecret))).mappings().one()
        assert row["request_id"] == REQUEST
        assert value.removeprefix("ek_") not in repr(dict(row))

    async def test_public_id_tells_nothing_of_the_secret(self, identity: Identity) -> None:
        """An id that stands in logs and records is no part of the credential."""
        value = await mint(identity)
        who = await identity.authenticate(value)
        assert who.client_secret_id is not None
        random_part = value.removeprefix("ek_")[8:]
        assert random_part[:4] not in who.client_secret_id

    async def test_secret_of_another_project_names_that_project(
        self, identity: Identity, database: Database
    ) -> None:
        """Tenancy follows the issuing key."""
        project = {
            "id": "proj_b", "organisation_id": DEFAULT_ORGANISATION, "name": "b",
            "settings": {}, "created_at": 1,
        }  # fmt: skip
        async with database.transaction() as connection:
            await insert_ignore(connection, Project, [project])
        key = await identity.create_key("b", project_id="proj_b")
        issuer = await identity.authenticate(key)
        value, _ = await identity.mint(issuer, {}, ttl_s=60, request_id=REQUEST)
        assert (await identity.authenticate(value)).project_id == "proj_b"


async def test_default_project_is_made_once(identity: Identity, database: Database) -> None:
    """Every start asks for it."""
    await identity.ensure_default_project()
    async with database.transaction() as connection:
        rows = (await connection.execute(select(Project.id))).all()
    assert [row[0] for row in rows] == [DEFAULT_PROJECT]


class TestSecretsOfTools:
    """What a minted session must know later and nobody may read meanwhile."""

    TOOL: ClassVar[dict[str, Any]] = {
        "type": "mcp", "server_label": "docs", "server_url": "https://x.example/mcp",
        "authorization": "canary-token", "headers": {"X-Key": "canary-header"},
    }  # fmt: skip

    async def test_secrets_of_tools_are_not_stored_in_clear(
        self, identity: Identity, database: Database
    ) -> None:
        """The row shows the server, neither its token nor its headers."""
        await mint(identity, type="realtime", tools=[{"type": "function", "name": "f"}, self.TOOL])
        async with database.reading() as connection:
            row = (await connection.execute(select(ClientSecret))).mappings().one()
        assert "canary" not in repr(dict(row))
        assert row["session"]["tools"][1]["server_url"] == "https://x.example/mcp"

    async def test_holder_gets_the_session_with_its_secrets(self, identity: Identity) -> None:
        """The gateway connects with what was minted."""
        who = await identity.authenticate(await mint(identity, tools=[self.TOOL]))
        assert who.session is not None
        assert who.session["tools"] == [self.TOOL]

    async def test_session_whose_secrets_cannot_be_read_opens_nothing(
        self, identity: Identity, database: Database
    ) -> None:
        """A server must not be called without the token that its owner gave."""
        text = await mint(identity, tools=[self.TOOL])
        other = Identity(database, Pepper(b"p" * 32), Keyring({1: b"x" * 32}))
        with pytest.raises(InvalidApiKey):
            await other.authenticate(text)
