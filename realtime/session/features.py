"""What a model may be asked for, where its operator allows less than the protocol has."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal, TypeAlias

from realtime.errors import UnsupportedOption

Feature: TypeAlias = Literal["tools", "mcp", "images", "transcription"]

FEATURES: tuple[Feature, ...] = ("tools", "mcp", "images", "transcription")
"""Function tools, MCP servers, images in messages, transcripts of the input."""


def check_tools(
    tools: Iterable[Mapping[str, Any]], features: Collection[str], *, param: str
) -> None:
    """Refuse tools that the model does not take.

    Raises:
        UnsupportedOption: there is one.
    """
    for tool in tools:
        if ("mcp" if tool["type"] == "mcp" else "tools") not in features:
            raise UnsupportedOption(param)


def check_images(parts: Iterable[object], features: Collection[str], *, param: str) -> None:
    """Refuse images that the model does not look at.

    Raises:
        UnsupportedOption: there is one.
    """
    if "images" in features:
        return
    for part in parts:
        if getattr(part, "type", "") == "input_image":
            raise UnsupportedOption(param)
