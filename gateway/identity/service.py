"""Keys and client secrets: made, listed, revoked, and checked at every entry.

A checked key is remembered for `CACHE_S`, so that a revocation on another
instance holds at most that long; one on this instance holds at once.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import Any

import structlog
from sqlalchemy import select, update

from gateway.identity.principal import Principal
from gateway.identity.sealing import opened_session, sealed_session
from gateway.identity.secrets import (
    SECRET_PREFIX,
    Pepper,
    masked,
    new_client_secret,
    new_key,
    parse_key,
)
from gateway.secrets.keyring import Keyring, Unreadable
from gateway.store.database import Database
from gateway.store.tables import ApiKey, ClientSecret, Organisation, Project
from gateway.store.upsert import insert_ignore
from gateway.telemetry import metrics
from realtime.errors import InvalidApiKey, MissingCredential

CACHE_S = 15
CACHE_KEYS = 10_000
DEFAULT_ORGANISATION = "org-local"
DEFAULT_PROJECT = "proj_local"
MODELS = "models"
"""A project's setting: the names of the models that its keys may use."""

TEMPERATURE = "temperature"
"""A key beside a stored session's own; no GA session has one, so it cannot be mistaken."""

_log = structlog.get_logger("identity")


class Identity:
    """The one place that knows credentials."""

    def __init__(
        self,
        database: Database,
        pepper: Pepper,
        keyring: Keyring,
        *,
        unix_s: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._pepper = pepper
        self._keyring = keyring
        self._unix_s = unix_s
        self._known: OrderedDict[str, tuple[float, bytes, Principal]] = OrderedDict()

    def _now(self) -> int:
        return int(self._unix_s())

    async def ensure_default_project(self) -> None:
        """Make the organisation and project of an embedded installation."""
        now = self._now()
        async with self._database.transaction() as connection:
            await insert_ignore(
                connection,
                Organisation,
                [{"id": DEFAULT_ORGANISATION, "name": "local", "created_at": now}],
            )
            project = {
                "id": DEFAULT_PROJECT,
                "organisation_id": DEFAULT_ORGANISATION,
                "name": "default",
                "settings": {},
                "created_at": now,
            }
            await insert_ignore(connection, Project, [project])

    # --- project keys ---

    async def create_key(
        self,
        name: str,
        *,
        project_id: str = DEFAULT_PROJECT,
        expires_in_s: int | None = None,
        models: Collection[str] | None = None,
    ) -> str:
        """Make a key of a project, held to `models` if given; the text is returned this once.

        Raises:
            LookupError: there is no such project.
        """
        text, parts = new_key()
        now = self._now()
        async with self._database.transaction() as connection:
            owner = await connection.scalar(
                select(Project.organisation_id).where(Project.id == project_id)
            )
            if owner is None:
                raise LookupError(f"There is no project {project_id}.")
            row = {
                "id": parts.key_id,
                "organisation_id": owner,
                "project_id": project_id,
                "name": name,
                "secret_hash": self._pepper.hash(parts.secret),
                "shown": f"{text[:10]}…{text[-4:]}",
                "models": None if models is None else sorted(models),
                "created_at": now,
                "expires_at": None if expires_in_s is None else now + expires_in_s,
            }
            await insert_ignore(connection, ApiKey, [row])
        return text

    async def list_keys(self) -> list[dict[str, Any]]:
        """Return every key without its secret."""
        columns = (
            ApiKey.id, ApiKey.name, ApiKey.project_id, ApiKey.shown,
            ApiKey.models, ApiKey.created_at, ApiKey.expires_at, ApiKey.revoked_at,
        )  # fmt: skip
        async with self._database.reading() as connection:
            rows = await connection.execute(select(*columns).order_by(ApiKey.created_at))
        return [dict(row) for row in rows.mappings()]

    async def allow_models(self, key_id: str, models: Collection[str] | None) -> bool:
        """Hold a key to these models, or to none in particular; return whether there is the key."""
        statement = update(ApiKey).where(ApiKey.id == key_id)
        names = None if models is None else sorted(models)
        async with self._database.transaction() as connection:
            result = await connection.execute(statement.values(models=names))
        self._known.pop(key_id, None)
        return bool(result.rowcount)

    async def allow_project_models(self, project_id: str, models: Collection[str] | None) -> bool:
        """The same for every key of a project; return whether there is the project."""
        async with self._database.transaction() as connection:
            held = await connection.scalar(select(Project.settings).where(Project.id == project_id))
            if held is None:
                return False
            kept = {name: value for name, value in held.items() if name != MODELS}
            if models is not None:
                kept[MODELS] = sorted(models)
            changed = update(Project).where(Project.id == project_id).values(settings=kept)
            await connection.execute(changed)
        self._known.clear()
        return True

    async def revoke_key(self, key_id: str) -> bool:
        """Revoke a key; return whether it was valid until now."""
        async with self._database.transaction() as connection:
            result = await connection.execute(
                update(ApiKey)
                .where(ApiKey.id == key_id, ApiKey.revoked_at.is_(None))
                .values(revoked_at=self._now())
            )
        self._known.pop(key_id, None)
        return bool(result.rowcount)

    async def revoked_among(self, key_ids: Collection[str]) -> list[str]:
        """Return which of the keys are revoked; they are remembered no more."""
        statement = select(ApiKey.id).where(ApiKey.id.in_(key_ids), ApiKey.revoked_at.is_not(None))
        async with self._database.reading() as connection:
            revoked = list(await connection.scalars(statement))
        for key_id in revoked:
            self._known.pop(key_id, None)
        return revoked

    # --- client secrets ---

    async def mint(
        self, owner: Principal, session: dict[str, Any], *, ttl_s: int, request_id: str
    ) -> tuple[str, int]:
        """Make a client secret bound to a session; return it and when it expires."""
        now = self._now()
        text = new_client_secret(now)
        row_id = f"eks_{secrets.token_hex(8)}"
        shown, sealed = sealed_session(
            session, self._keyring, row_id=row_id, project_id=owner.project_id
        )
        row = {
            "id": row_id,
            "organisation_id": owner.organisation_id,
            "project_id": owner.project_id,
            "secret_hash": self._pepper.hash(text),
            "key_id": owner.key_id,
            "request_id": request_id,
            "session": shown,
            "sealed": sealed,
            "created_at": now,
            "expires_at": now + ttl_s,
        }
        async with self._database.transaction() as connection:
            await insert_ignore(connection, ClientSecret, [row])
        return text, now + ttl_s

    # --- checks ---

    async def authenticate(self, credential: str | None) -> Principal:
        """Return who it is.

        Raises:
            MissingCredential, InvalidApiKey: nobody we know; one answer for
                wrong, expired and revoked ones.
        """
        if not credential:
            metrics.AUTH_FAILURES.labels("missing").inc()
            raise MissingCredential
        if credential.startswith(SECRET_PREFIX):
            principal = await self._by_client_secret(credential)
        else:
            principal = await self._by_key(credential)
        if principal is None:
            metrics.AUTH_FAILURES.labels("invalid").inc()
            raise InvalidApiKey(masked(credential))
        return principal

    def recall(self, credential: str | None) -> Principal | None:
        """Return who it is if that is known without asking the database."""
        parts = parse_key(credential) if credential else None
        known = None if parts is None else self._known.get(parts.key_id)
        if parts is None or known is None or known[0] <= self._unix_s():
            return None
        given = self._pepper.hash(parts.secret)
        return known[2] if hmac.compare_digest(known[1], given) else None

    async def _by_key(self, credential: str) -> Principal | None:
        parts = parse_key(credential)
        if parts is None:
            return None
        given = self._pepper.hash(parts.secret)
        known = self._known.get(parts.key_id)
        if known is not None and known[0] > self._unix_s():
            return known[2] if hmac.compare_digest(known[1], given) else None
        async with self._database.reading() as connection:
            found = await connection.execute(
                select(ApiKey, Project.settings)
                .join(Project, Project.id == ApiKey.project_id)
                .where(ApiKey.id == parts.key_id)
            )
        row = found.mappings().first()
        if row is None or not hmac.compare_digest(row["secret_hash"], given):
            return None
        if row["revoked_at"] is not None or _over(row["expires_at"], self._now()):
            return None
        principal = Principal(
            kind="api_key",
            organisation_id=row["organisation_id"],
            project_id=row["project_id"],
            key_id=parts.key_id,
            models=_allowed(row["models"], row["settings"].get(MODELS)),
        )
        self._remember(principal, given, expires_at=row["expires_at"])
        return principal

    def _remember(self, principal: Principal, given: bytes, *, expires_at: int | None) -> None:
        until = self._unix_s() + CACHE_S
        if expires_at is not None:
            until = min(until, expires_at)
        self._known[principal.key_id] = (until, given, principal)
        if len(self._known) > CACHE_KEYS:
            self._known.popitem(last=False)

    async def _by_client_secret(self, credential: str) -> Principal | None:
        digest = self._pepper.hash(credential)
        statement = (
            select(ClientSecret, ApiKey.revoked_at, ApiKey.models, Project.settings)
            .join(ApiKey, ApiKey.id == ClientSecret.key_id)
            .join(Project, Project.id == ApiKey.project_id)
            .where(ClientSecret.secret_hash == digest)
        )
        async with self._database.reading() as connection:
            found = await connection.execute(statement)
        row = found.mappings().first()
        if row is None or row["revoked_at"] is not None or _over(row["expires_at"], self._now()):
            return None
        try:
            session = opened_session(
                row["session"],
                row["sealed"],
                self._keyring,
                row_id=row["id"],
                project_id=row["project_id"],
            )
        except Unreadable:
            _log.error("client_secret_unreadable", client_secret_id=row["id"])
            return None
        return Principal(
            kind="client_secret",
            organisation_id=row["organisation_id"],
            project_id=row["project_id"],
            key_id=row["key_id"],
            models=_allowed(row["models"], row["settings"].get(MODELS)),
            client_secret_id=row["id"],
            session={key: held for key, held in session.items() if key != TEMPERATURE},
            temperature=session.get(TEMPERATURE),
        )


def _allowed(key: list[str] | None, project: list[str] | None) -> frozenset[str] | None:
    """Return what both lists allow; one that is None allows everything."""
    lists = [frozenset(names) for names in (key, project) if names is not None]
    return frozenset.intersection(*lists) if lists else None


def _over(expires_at: int | None, now: int) -> bool:
    return expires_at is not None and expires_at <= now
