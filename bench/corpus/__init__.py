"""A small corpus of spoken sentences (see README.md)."""
