"""Alembic's environment and the migrations, one linear history."""
