"""Audio of items for retrieval: what is cut or deleted while it is spoken stays so."""

from __future__ import annotations

import tracemalloc

from gateway.sessions.audio import ItemAudio

SECOND = bytes(48_000)


def test_audio_of_a_deleted_item_does_not_come_back() -> None:
    """An item that is deleted while it is spoken holds nothing, whatever is spoken of it later."""
    items = ItemAudio(most_bytes=1_000_000)
    items.add("a", SECOND)
    items.drop("a")
    items.add("a", SECOND)
    assert items.get("a") is None


def test_audio_of_an_item_made_anew_is_kept() -> None:
    """A client may give a deleted item's id to another item."""
    items = ItemAudio(most_bytes=1_000_000)
    items.keep("a", SECOND)
    items.drop("a")
    items.keep("a", SECOND[:480])
    assert items.get("a") == SECOND[:480]


def test_audio_that_was_cut_stays_cut() -> None:
    """What is spoken after a cut adds nothing."""
    items = ItemAudio(most_bytes=1_000_000)
    items.add("a", SECOND)
    items.cut("a", 240)
    items.add("a", SECOND)
    assert len(items.get("a") or b"") == 480


def test_audio_over_the_cap_loses_the_oldest_item() -> None:
    """Under the cap the oldest item's audio goes first, whole; what is left is counted truly."""
    items = ItemAudio(most_bytes=100_000)
    for name in ("a", "b", "c"):
        items.add(name, SECOND)
    assert [name for name in ("a", "b", "c") if items.get(name)] == ["b", "c"]
    items.drop("b")
    items.add("d", SECOND)
    assert items.get("c") is not None


def test_audio_of_one_item_over_the_cap_is_none_at_all() -> None:
    """An item longer than the cap has no audio, rather than its end alone."""
    items = ItemAudio(most_bytes=100_000)
    for _ in range(4):
        items.add("a", SECOND)
    assert items.get("a") is None


def test_items_that_come_and_go_leave_nothing() -> None:
    """A client may make and delete items for an hour; what must be remembered of them is little."""
    items = ItemAudio(most_bytes=1_000_000)

    def come_and_go(first: int, count: int) -> None:
        for number in range(first, first + count):
            items.keep(f"item_{number}", b"")
            items.drop(f"item_{number}")

    come_and_go(0, 10_000)
    tracemalloc.start()
    come_and_go(10_000, 20_000)
    grown_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown_bytes < 500_000
    items.add("item_29999", SECOND)
    assert items.get("item_29999") is None
