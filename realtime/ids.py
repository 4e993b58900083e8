"""Public identifiers in the wire's form (CONTRACT 17)."""

from __future__ import annotations

from collections.abc import Callable

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ID_LENGTH = 21
TIME_LENGTH = 5


def time_part(unix_s: int) -> str:
    """Return the five characters that ids of one moment share; they grow with time."""
    digits = []
    for _ in range(TIME_LENGTH):
        unix_s, rest = divmod(unix_s, len(ALPHABET))
        digits.append(ALPHABET[rest])
    return "".join(reversed(digits))


class SequentialIds:
    """A reproducible id source for traces and tests: `item_000000000000000000001`."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def __call__(self, prefix: str) -> str:
        """Return the next id."""
        count = self._counts.get(prefix, 0) + 1
        self._counts[prefix] = count
        return f"{prefix}_{count:0{ID_LENGTH}d}"


class RandomIds:
    """Ids of 5 characters of time and 16 random ones, from an injected clock and generator."""

    def __init__(self, *, unix_s: Callable[[], int], choose: Callable[[int], str]) -> None:
        self._unix_s = unix_s
        self._choose = choose
        self._second = -1
        self._time = ""

    def __call__(self, prefix: str) -> str:
        """Return the next id."""
        second = self._unix_s()
        if second != self._second:
            self._second, self._time = second, time_part(second)
        return f"{prefix}_{self._time}{self._choose(ID_LENGTH - TIME_LENGTH)}"
