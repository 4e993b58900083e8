"""Which of espeak-ng's hundred and more voices speaks a language, read from the library itself."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import Any

_Address = ctypes.c_void_p


class _Voice(ctypes.Structure):
    """`espeak_VOICE`. `languages` is a list of a priority byte and a tag, ended by a zero byte."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", _Address),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("reserved", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", _Address),
    )


def voices_by_tag(library: Any) -> dict[str, str]:
    """Return the name of the best voice for each language tag, in lower case."""
    library.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_Voice))
    listed = library.espeak_ListVoices(None)
    best: dict[str, tuple[int, str]] = {}
    place = 0
    while listed[place]:
        voice = listed[place].contents
        name = voice.identifier.decode().rpartition("/")[2]
        for priority, tag in _tags(voice.languages):
            if tag not in best or priority < best[tag][0]:
                best[tag] = (priority, name)
        place += 1
    return {tag: name for tag, (_, name) in best.items()}


def _tags(address: int) -> Iterator[tuple[int, str]]:
    while priority := ctypes.string_at(address, 1)[0]:
        tag = ctypes.string_at(address + 1)
        yield priority, tag.decode().lower()
        address += len(tag) + 2


def voice_for(language: str, voices: dict[str, str]) -> str | None:
    """Return the voice of a BCP 47 tag: its region's, else its language's, else None."""
    parts = language.lower().split("-")
    while parts:
        if (found := voices.get("-".join(parts))) is not None:
            return found
        parts.pop()
    return None
