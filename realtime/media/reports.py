"""What a listener's reports say about the network, and what a voice makes of it; pure.

Copies of lost packets (in-band FEC) cost half of the encoder's work and some of
the sound, so they are sent where packets get lost: from the beginning, when
nothing is known yet, until some seconds of speech came whole, and again from
the first report of a loss.
"""

from __future__ import annotations

from typing import Final

WHOLE_PACKETS: Final = 100
"""Packets in a row that came: two seconds of speech."""
_MODULO: Final = 1 << 32


class Reports:
    """One listener's."""

    def __init__(self) -> None:
        self._highest: int | None = None
        self._whole = 0
        self.lossy = True
        """Packets get lost, as far as anybody knows."""

    def add(self, *, fraction_lost: int, highest_sequence: int) -> None:
        """Take a report: what was lost since the one before, and how far the listener is.

        A report about silence says nothing.
        """
        last, self._highest = self._highest, highest_sequence
        if fraction_lost:
            self._whole, self.lossy = 0, True
            return
        came = 0 if last is None else (highest_sequence - last) % _MODULO
        if came < _MODULO // 2:
            self._whole += came
        if self._whole >= WHOLE_PACKETS:
            self.lossy = False
