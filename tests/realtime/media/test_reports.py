"""When a voice sends copies of its packets."""

from __future__ import annotations

from realtime.media.reports import WHOLE_PACKETS, Reports


def reports(*, first: int = 70_000) -> Reports:
    """Return what a listener reported once."""
    made = Reports()
    made.add(fraction_lost=0, highest_sequence=first)
    return made


def test_unknown_network_is_taken_for_a_bad_one() -> None:
    """Who never reports is sent copies for ever."""
    assert Reports().lossy
    assert reports().lossy


def test_seconds_that_came_whole_end_the_copies() -> None:
    """Not one report, but enough packets, over the end of the numbers too."""
    made = reports(first=(1 << 32) - 10)
    made.add(fraction_lost=0, highest_sequence=WHOLE_PACKETS - 12)
    assert made.lossy
    made.add(fraction_lost=0, highest_sequence=WHOLE_PACKETS)
    assert not made.lossy


def test_reports_about_silence_say_nothing() -> None:
    """However many there are."""
    made = reports()
    for _ in range(WHOLE_PACKETS * 2):
        made.add(fraction_lost=0, highest_sequence=70_000)
    assert made.lossy


def test_loss_brings_the_copies_back() -> None:
    """At once; and they stay until seconds came whole again."""
    made = reports()
    made.add(fraction_lost=0, highest_sequence=70_000 + WHOLE_PACKETS)
    assert not made.lossy
    made.add(fraction_lost=1, highest_sequence=70_200)
    assert made.lossy
    made.add(fraction_lost=0, highest_sequence=70_200 + WHOLE_PACKETS - 1)
    assert made.lossy
    made.add(fraction_lost=0, highest_sequence=70_200 + WHOLE_PACKETS)
    assert not made.lossy


def test_numbers_that_go_back_are_no_packets() -> None:
    """A listener who begins anew, or lies, gains nothing."""
    made = reports()
    made.add(fraction_lost=0, highest_sequence=5)
    assert made.lossy
