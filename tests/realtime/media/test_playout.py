"""What is played frame by frame, and what was heard of it when it is cleared."""

from __future__ import annotations

from realtime.media.playout import BYTES_PER_MS, FRAME_BYTES, FRAME_MS, Playout


def sound(ms: int, mark: int = 1) -> bytes:
    """Return audio that is recognised again."""
    return bytes([mark]) * (ms * BYTES_PER_MS)


def played(playout: Playout) -> list[bytes]:
    """Play all there is."""
    return list(iter(playout.frame, None))


def test_audio_is_played_in_whole_frames() -> None:
    """A piece of a frame waits for the rest of it."""
    playout = Playout()
    playout.add("r", "a", sound(30))
    assert played(playout) == [sound(FRAME_MS)]
    playout.add("r", "a", sound(10, 2))
    assert played(playout) == [sound(10) + sound(10, 2)]


def test_last_frame_is_filled_with_silence_and_then_the_response_is_drained() -> None:
    """Nothing of an answer is lost at its end."""
    playout = Playout()
    playout.add("r", "a", sound(30))
    playout.frame()
    playout.finish("r")
    assert playout.drained() == []
    assert played(playout) == [sound(10).ljust(FRAME_BYTES, b"\0")]
    assert playout.drained() == ["r"]
    assert playout.drained() == []


def test_response_without_audio_is_drained_in_its_place() -> None:
    """Whoever waits for its end does not wait for ever, nor before what plays is over."""
    playout = Playout()
    playout.add("r", "i", bytes(FRAME_BYTES))
    playout.finish("r")
    playout.finish("s")
    assert playout.drained() == []
    playout.frame()
    assert playout.drained() == ["r", "s"]


def test_response_that_is_finished_after_its_last_frame_is_drained_at_once() -> None:
    """The end may be told late."""
    playout = Playout()
    playout.add("r", "a", sound(20))
    assert len(played(playout)) == 1
    playout.finish("r")
    assert playout.drained() == ["r"]


def test_items_and_responses_follow_one_another_without_a_gap() -> None:
    """A frame may hold the end of one and the beginning of the next."""
    playout = Playout()
    playout.add("r", "a", sound(30, 1))
    playout.add("r", "b", sound(20, 2))
    playout.finish("r")
    playout.add("s", "c", sound(30, 3))
    playout.finish("s")
    assert b"".join(played(playout)) == sound(30, 1) + sound(20, 2) + sound(30, 3)
    assert playout.drained() == ["r", "s"]


def test_response_that_is_not_whole_holds_the_next_back() -> None:
    """What began first is heard first."""
    playout = Playout()
    playout.add("r", "a", sound(20, 1))
    playout.add("s", "b", sound(20, 2))
    assert played(playout) == [sound(20, 1)]
    playout.finish("r")
    assert played(playout) == [sound(20, 2)]


def test_cleared_item_was_heard_but_for_what_is_on_its_way() -> None:
    """The last 60 ms that went out have not reached the ear."""
    playout = Playout(ahead_ms=60)
    playout.add("r", "a", sound(1_000))
    for _ in range(20):
        playout.frame()
    assert playout.clear(["r"]) == {"r": {"a": 340}}
    assert playout.frame() is None
    assert playout.waiting_ms == 0


def test_clear_knows_what_was_heard_of_a_response_whose_end_nobody_was_told_of() -> None:
    """A cancelled answer that had caught up with its voice is cut where it was, not at nothing."""
    playout = Playout(ahead_ms=60)
    playout.add("r", "a", sound(1_000))
    for _ in range(50):
        playout.frame()
    playout.finish("r")
    assert playout.clear(["r"]) == {"r": {"a": 940}}
    assert playout.drained() == []
    assert playout.frame() is None


def test_what_is_on_its_way_may_reach_back_into_the_item_before() -> None:
    """The second item had only begun."""
    playout = Playout(ahead_ms=60)
    playout.add("r", "a", sound(100))
    playout.add("r", "b", sound(100))
    for _ in range(6):
        playout.frame()
    assert playout.clear(["r"]) == {"r": {"a": 60, "b": 0}}


def test_cleared_response_stays_silent_until_it_is_finished() -> None:
    """Audio that is still made for it is dropped; its id is forgotten with its end."""
    playout = Playout()
    playout.add("r", "a", sound(100))
    playout.clear(["r"])
    playout.add("r", "a", sound(100))
    assert playout.frame() is None
    playout.finish("r")
    assert playout.drained() == []


def test_clear_names_what_it_does_not_know() -> None:
    """A response whose audio has not come yet was not heard, and will not be."""
    playout = Playout()
    assert playout.clear(["r"]) == {"r": {}}
    playout.add("r", "a", sound(20))
    assert playout.frame() is None


def test_other_responses_play_on() -> None:
    """Only the ones named fall silent."""
    playout = Playout()
    playout.add("r", "a", sound(20, 1))
    playout.add("s", "b", sound(20, 2))
    playout.clear(["r"])
    assert played(playout) == [sound(20, 2)]
