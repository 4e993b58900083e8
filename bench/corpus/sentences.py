"""The sentences of the corpus and where they lie."""

from __future__ import annotations

import csv
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
