"""Which OVOS speech plugins this interpreter has, by their entry points.

Only the wanted plugin is imported: others may be broken, slow or crash on import.
Old groups count too, also the one that the plugin manager itself does not find.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, distributions
from typing import Any, Final, Literal, TypeAlias

Kind: TypeAlias = Literal["stt", "tts", "vad", "wake_word"]

GROUPS: Final[Mapping[Kind, tuple[str, ...]]] = {
    "stt": ("opm.stt", "mycroft.plugin.stt"),
    "tts": ("opm.tts", "mycroft.plugin.tts"),
    "vad": ("opm.VAD", "opm.vad", "ovos.plugin.VAD"),
    "wake_word": ("opm.wake_word", "mycroft.plugin.wake_word"),
}
"""Entry point groups, the modern one first."""


class PluginMissing(Exception):
    """The configured plugin is not installed."""


@dataclass(frozen=True, slots=True)
class Installed:
    """A plugin and the package that it came with."""

    kind: Kind
    name: str
    group: str
    package: str
    version: str
    entry_point: EntryPoint


def installed(kind: Kind) -> Iterator[Installed]:
    """Yield the plugins of a kind, each name once, modern groups first."""
    seen = set()
    found = [
        Installed(kind, each.name, each.group, package.name, package.version, each)
        for package in distributions()
        for each in package.entry_points
        if each.group in GROUPS[kind]
    ]
    for plugin in sorted(found, key=lambda each: (GROUPS[kind].index(each.group), each.name)):
        if plugin.name not in seen:
            seen.add(plugin.name)
            yield plugin


def load(kind: Kind, name: str) -> Any:
    """Return a plugin's class.

    Raises:
        PluginMissing: there is none of that name.
        Exception: whatever its import raises.
    """
    plugins = {plugin.name: plugin for plugin in installed(kind)}
    if name not in plugins:
        raise PluginMissing(
            f"OVOS {kind} plugin {name!r} is not installed; found {sorted(plugins)}"
        )
    return plugins[name].entry_point.load()
