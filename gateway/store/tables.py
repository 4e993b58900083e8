"""Every table; each row of a tenant names its organisation and project from the start.

Times are Unix seconds (`_at`) or milliseconds since a session began (`_ms`).
Public ids (`sess_…`, `item_…`) are kept as clients see them.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMING = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
"""Named constraints, which SQLite's batch migrations need."""

Json = JSON().with_variant(JSONB(), "postgresql")
Key = String(64)
Sequence = BigInteger().with_variant(Integer(), "sqlite")


class Base(DeclarativeBase):
    """The metadata that migrations compare with."""

    metadata = MetaData(naming_convention=NAMING)


class Organisation(Base):
    """A tenant."""

    __tablename__ = "organisations"
    id: Mapped[str] = mapped_column(Key, primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[int] = mapped_column(BigInteger)


class Project(Base):
    """A project of a tenant; keys, sessions and everything below belong to one."""

    __tablename__ = "projects"
    id: Mapped[str] = mapped_column(Key, primary_key=True)
    organisation_id: Mapped[str] = mapped_column(ForeignKey("organisations.id"))
    name: Mapped[str] = mapped_column(String(200))
    settings: Mapped[dict[str, Any]] = mapped_column(Json)
    created_at: Mapped[int] = mapped_column(BigInteger)
    __table_args__ = (UniqueConstraint("organisation_id", "name"),)


class _Owned:
    """Columns of a row that belongs to a project."""

    organisation_id: Mapped[str] = mapped_column(Key)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"))


class ApiKey(_Owned, Base):
    """A project's key; only a keyed hash of its secret is kept."""

    __tablename__ = "api_keys"
    id: Mapped[str] = mapped_column(Key, primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    shown: Mapped[str] = mapped_column(String(32))
    created_at: Mapped[int] = mapped_column(BigInteger)
    models: Mapped[list[str] | None] = mapped_column(Json)
    """Names of the models that it may use, None for every one."""
    expires_at: Mapped[int | None] = mapped_column(BigInteger)
    revoked_at: Mapped[int | None] = mapped_column(BigInteger)
    __table_args__ = (Index("ix_api_keys_project_id", "project_id"),)


class ClientSecret(_Owned, Base):
    """An ephemeral key, bound to the session configuration it was minted with."""

    __tablename__ = "client_secrets"
    id: Mapped[str] = mapped_column(Key, primary_key=True)
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    key_id: Mapped[str] = mapped_column(Key)
    request_id: Mapped[str] = mapped_column(Key)
    session: Mapped[dict[str, Any]] = mapped_column(Json)
    sealed: Mapped[str | None] = mapped_column(Text)
    """The session's own secrets, encrypted."""
    created_at: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[int] = mapped_column(BigInteger)
    __table_args__ = (Index("ix_client_secrets_expires_at", "expires_at"),)


class RealtimeSession(_Owned, Base):
    """A session with its full effective configuration."""

    __tablename__ = "sessions"
    id: Mapped[str] = mapped_column(Key, primary_key=True)
    key_id: Mapped[str | None] = mapped_column(Key)
    client_secret_id: Mapped[str | None] = mapped_column(Key)
    engine: Mapped[str] = mapped_column(Key)
    model: Mapped[str] = mapped_column(String(128))
    config: Mapped[dict[str, Any]] = mapped_column(Json)
    started_at: Mapped[int] = mapped_column(BigInteger)
    ended_at: Mapped[int | None] = mapped_column(BigInteger)
    end_reason: Mapped[str | None] = mapped_column(String(64))
    cost_micros: Mapped[int | None] = mapped_column(BigInteger)
    """Of its time, by the model's price list; responses are charged in `usage`."""
    __table_args__ = (Index("ix_sessions_project_started", "project_id", "started_at"),)


class CallRow(_Owned, Base):
    """A call, whatever became of it: refused ones and lost ones stand here too."""

    __tablename__ = "calls"
    id: Mapped[str] = mapped_column(Key, primary_key=True)
    key_id: Mapped[str] = mapped_column(Key)
    client_secret_id: Mapped[str | None] = mapped_column(Key)
    session_id: Mapped[str | None] = mapped_column(Key)
    """None for a call that was refused before it had a session."""
    ingress: Mapped[str] = mapped_column(String(16))
    """The way in: `webrtc`."""
    kind: Mapped[str] = mapped_column(String(16))
    """The kind of session: `realtime`, `transcription`, `translation`."""
    model: Mapped[str] = mapped_column(String(128))
    node: Mapped[str] = mapped_column(Key)
    """The process that has it."""
    created_at: Mapped[int] = mapped_column(BigInteger)
    answered_at: Mapped[int | None] = mapped_column(BigInteger)
    connected_at: Mapped[int | None] = mapped_column(BigInteger)
    ended_at: Mapped[int | None] = mapped_column(BigInteger)
    end_reason: Mapped[str | None] = mapped_column(String(64))
    why: Mapped[str] = mapped_column(String(128))
    """Of a refused call: policy's reason, else the code of the error; else empty."""
    __table_args__ = (
        Index("ix_calls_project_created", "project_id", "created_at"),
        Index("ix_calls_node_ended", "node", "ended_at"),
    )


class Item(_Owned, Base):
    """A conversation item in its last shown form, with its transcript."""

    __tablename__ = "items"
    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id"), primary_key=True)
    item_id: Mapped[str] = mapped_column(String(512), primary_key=True)
    previous_item_id: Mapped[str | None] = mapped_column(String(512))
    body: Mapped[dict[str, Any]] = mapped_column(Json)
    transcript: Mapped[str | None] = mapped_column(Text)
    truncated_ms: Mapped[int | None] = mapped_column(Integer)
    deleted: Mapped[bool] = mapped_column(default=False)


class Event(_Owned, Base):
    """The event record: one row per event, append-only, audio left out."""

    __tablename__ = "events"
    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(Sequence, primary_key=True, autoincrement=False)
    at_ms: Mapped[int] = mapped_column(BigInteger)
    direction: Mapped[str] = mapped_column(String(8))
    type: Mapped[str] = mapped_column(String(128))
    body: Mapped[dict[str, Any]] = mapped_column(Json)


class ToolCallRow(_Owned, Base):
    """The action log: what tools did and were refused, whoever carried it out."""

    __tablename__ = "tool_calls"
    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id"), primary_key=True)
    response_id: Mapped[str] = mapped_column(Key, primary_key=True)
    """Empty for what belongs to no response: an import, a context update."""
    call_id: Mapped[str] = mapped_column(String(512), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    executor: Mapped[str] = mapped_column(String(16))
    server_label: Mapped[str] = mapped_column(String(128))
    name: Mapped[str] = mapped_column(String(256))
    arguments: Mapped[str] = mapped_column(Text)
    output: Mapped[str | None] = mapped_column(Text)
    error: Mapped[dict[str, Any] | None] = mapped_column(Json)
    status: Mapped[str] = mapped_column(String(16))
    approval: Mapped[str] = mapped_column(String(16))
    approval_request_id: Mapped[str | None] = mapped_column(String(512))
    at_ms: Mapped[int] = mapped_column(BigInteger)
    duration_ms: Mapped[int | None] = mapped_column(BigInteger)


class Usage(_Owned, Base):
    """A response's tokens; idempotent by session and response."""

    __tablename__ = "usage"
    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id"), primary_key=True)
    response_id: Mapped[str] = mapped_column(Key, primary_key=True)
    model: Mapped[str] = mapped_column(String(128))
    status: Mapped[str] = mapped_column(String(32))
    body: Mapped[dict[str, Any]] = mapped_column(Json)
    estimated: Mapped[bool]
    cost_micros: Mapped[int | None] = mapped_column(BigInteger)
    """Millionths of the price list's currency, None without a list."""
    created_at: Mapped[int] = mapped_column(BigInteger)


class Model(Base):
    """A project's declaration of a model's name; secrets stand in it by reference only."""

    __tablename__ = "models"
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(128), primary_key=True)
    organisation_id: Mapped[str] = mapped_column(Key)
    declaration: Mapped[dict[str, Any]] = mapped_column(Json)
    updated_at: Mapped[int] = mapped_column(BigInteger)


class Prompt(Base):
    """A project's prompt; what it says stands in its versions."""

    __tablename__ = "prompts"
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    id: Mapped[str] = mapped_column(Key, primary_key=True)
    organisation_id: Mapped[str] = mapped_column(Key)
    current_version: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[int] = mapped_column(BigInteger)


class PromptVersion(Base):
    """One version of a prompt; never changed."""

    __tablename__ = "prompt_versions"
    project_id: Mapped[str] = mapped_column(Key, primary_key=True)
    prompt_id: Mapped[str] = mapped_column(Key, primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    organisation_id: Mapped[str] = mapped_column(Key)
    body: Mapped[dict[str, Any]] = mapped_column(Json)
    created_at: Mapped[int] = mapped_column(BigInteger)
    __table_args__ = (
        ForeignKeyConstraint(["project_id", "prompt_id"], ["prompts.project_id", "prompts.id"]),
    )
