"""Credentials in HTTP headers (CONTRACT 2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

MOST_IDENTIFIER_CHARS: Final = 512


def bearer(headers: Mapping[str, str]) -> str | None:
    """Return the key of `Authorization: Bearer …`, or of Azure clients' `api-key`."""
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return value.strip()
    return headers.get("api-key") or None


def safety_identifier(headers: Mapping[str, str]) -> str:
    """Return the end user's id where it is one line of ASCII, as a header must be."""
    text = headers.get("openai-safety-identifier", "")[:MOST_IDENTIFIER_CHARS]
    return text if text.isascii() and text.isprintable() else ""
