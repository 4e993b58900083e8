"""The sentences of the corpus and where they lie."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

FOLDER = Path(__file__).parent

SetName = Literal["held_out", "tuning"]
Group = Literal["known", "unknown"]
GROUPS: tuple[Group, ...] = ("known", "unknown")


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence. `known`: a skill of the lock file understands it."""

    set: SetName
    group: Group
    name: str
    text: str

    def path(self, folder: Path) -> Path:
        """Return where its recording lies below `folder`."""
        return folder / self.set / f"{self.name}.wav"


def sentences(of_set: SetName) -> list[Sentence]:
    """Return a set's sentences, in the order of the file."""
    with (FOLDER / "sentences.tsv").open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [
            Sentence(of_set, cast("Group", row["group"]), row["name"], row["text"])
            for row in rows
            if row["set"] == of_set
        ]


TurnKind = Literal["command", "open", "unfinished", "hesitation", "list", "addition"]

PAUSE = re.compile(r"\s*\[(\d+)\]\s*")


@dataclass(frozen=True, slots=True)
class SpokenTurn:
    """One turn of a caller: stretches of speech and the pauses between them."""

    kind: TurnKind
    name: str
    stretches: tuple[str, ...]
    pauses_ms: tuple[int, ...]

    @property
    def text(self) -> str:
        """The words."""
        return " ".join(self.stretches)

    def path(self, folder: Path, place: int) -> Path:
        """Return where the recording of a stretch lies below `folder`."""
        return folder / "turns" / f"{self.name}-{place + 1}.wav"


def spoken_turns() -> list[SpokenTurn]:
    """Return the turns with pauses, in the order of the file."""
    with (FOLDER / "turns.tsv").open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [_turn(cast("TurnKind", row["kind"]), row["name"], row["text"]) for row in rows]


def _turn(kind: TurnKind, name: str, text: str) -> SpokenTurn:
    parts = PAUSE.split(text)
    return SpokenTurn(kind, name, tuple(parts[::2]), tuple(int(ms) for ms in parts[1::2]))
