"""Migrations: one history that both databases follow, and that equals the models."""

from __future__ import annotations

from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect

from gateway.store import migrate
from gateway.store.tables import Base


def _tables(url: str) -> set[str]:
    """Read the table names with a driver that needs no loop."""
    if url.startswith("sqlite"):
        engine = create_engine(url.replace("+aiosqlite", ""))
        try:
            return set(inspect(engine).get_table_names())
        finally:
            engine.dispose()
    return set(_postgres_tables(url))


def _postgres_tables(url: str) -> list[str]:
    import asyncio

    import asyncpg

    async def names() -> list[str]:
        connection = await asyncpg.connect(url.replace("+asyncpg", ""))
        try:
            rows = await connection.fetch(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            )
        finally:
            await connection.close()
        return [row["tablename"] for row in rows]

    return asyncio.run(names())


class TestHistory:
    """The history as it stands in the tree."""

    def test_history_has_one_head_and_one_base(self) -> None:
        """It is linear: no branches, no merges."""
        scripts = ScriptDirectory(str(migrate.MIGRATIONS))
        assert len(scripts.get_heads()) == 1
        assert len(scripts.get_bases()) == 1

    def test_models_equal_migrations(self, database_url: str) -> None:
        """`alembic check` finds nothing to add (it raises if it does)."""
        migrate.check(database_url)

    def test_upgrade_twice_changes_nothing(self, database_url: str) -> None:
        """Every start runs the migrations."""
        before = _tables(database_url)
        migrate.upgrade(database_url)
        assert _tables(database_url) == before

    def test_down_and_up_again(self, empty_url: str) -> None:
        """A migration takes back what it did."""
        migrate.upgrade(empty_url)
        assert set(Base.metadata.tables) < _tables(empty_url)
        migrate.downgrade(empty_url)
        assert _tables(empty_url) == {"alembic_version"}
        migrate.upgrade(empty_url)
        migrate.check(empty_url)


def test_every_table_of_a_tenant_names_organisation_and_project() -> None:
    """Tenancy stands in the first migration (DECISIONS 1.10)."""
    above = {"organisations", "projects"}
    for name, table in Base.metadata.tables.items():
        if name not in above:
            assert {"organisation_id", "project_id"} <= set(table.columns.keys()), name
            assert not table.columns["organisation_id"].nullable
            assert not table.columns["project_id"].nullable


def test_every_constraint_has_a_name() -> None:
    """SQLite's batch migrations find constraints by name."""
    for table in Base.metadata.tables.values():
        assert all(constraint.name for constraint in table.constraints), table.name
