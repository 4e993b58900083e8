"""A browser listens over a network that loses packets: what it hears, by its own decoder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import missing
from tests.functional.bad_network_scores import WEATHERS
from tests.functional.browser.chromium import found
from tests.functional.browser.listener import listened
from tests.functional.server import Server

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

SEED = 11
HEARD = 0.75
"""0.87 to 0.99 were measured with this loss, as in fine weather; other words are 0.17 alike."""
MENDED = 0.5
"""Of the lost packets, those made good by the copy in the next: 0.83 to 1, and none without copies."""


def test_browser_hears_an_answer_through_loss(voice_server: Server, tmp_path: Path) -> None:
    """What a network loses comes again as the copy in the next packet, and words stay words."""
    if found() is None:
        missing("Chromium", "Install Debian's package `chromium`.")
    one = listened(voice_server, tmp_path, WEATHERS["loss of 5 %"], seed=SEED)
    assert one.lost > 0
    assert one.mended >= MENDED * one.lost, one
    assert one.heard >= HEARD, one
