"""The database: one schema for SQLite and PostgreSQL."""
