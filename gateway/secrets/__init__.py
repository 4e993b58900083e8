"""Secrets that must be read again later, kept encrypted."""
