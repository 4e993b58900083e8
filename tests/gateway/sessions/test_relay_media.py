"""The formats between a media leg and a relayed session's upstream."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest

from gateway.sessions.relay_media import UpstreamAudio


def audio_of(hears: str, speaks: str) -> UpstreamAudio:
    """Return what serves a session with these formats."""
    audio = UpstreamAudio()
    sides = {"input": {"format": {"type": hears}}, "output": {"format": {"type": speaks}}}
    audio.configure({"audio": sides})
    return audio


def tone(ms: int) -> bytes:
    """Return 440 Hz, 24 kHz, 16 bit."""
    times = np.arange(24 * ms) / 24_000
    return (8_000 * np.sin(times * 440 * 2 * np.pi)).astype("<i2").tobytes()


@pytest.mark.parametrize(("kind", "bytes_per_ms"), [("audio/pcm", 48), ("audio/pcmu", 8)])
def test_audio_goes_up_in_the_sessions_format(kind: str, bytes_per_ms: int) -> None:
    """A plain append of the right length."""
    event = json.loads(audio_of(kind, "audio/pcm").append(tone(100)) or "")
    assert event["type"] == "input_audio_buffer.append"
    wire = base64.b64decode(event["audio"])
    assert len(wire) == pytest.approx(100 * bytes_per_ms, abs=4 * bytes_per_ms)


def test_g711_delta_is_heard_as_it_was_said() -> None:
    """Mu-law at 8 kHz becomes 24 kHz, as loud as before."""
    up = audio_of("audio/pcmu", "audio/pcmu")
    delta = json.loads(up.append(tone(100)) or "")["audio"]
    heard = np.frombuffer(up.heard(delta), "<i2").astype(float)
    assert len(heard) == pytest.approx(2_400, abs=240)
    assert np.abs(heard).max() == pytest.approx(8_000, rel=0.1)


@pytest.mark.parametrize("delta", [None, 7, "not base64!", ""])
def test_delta_that_is_no_audio_is_silent(delta: object) -> None:
    """Whatever an upstream sends breaks nothing."""
    assert audio_of("audio/pcm", "audio/pcm").heard(delta) == b""


def test_same_formats_again_keep_what_was_begun() -> None:
    """An update of something else does not click: half a sample waits for its other half."""
    audio = audio_of("audio/pcm", "audio/pcm")
    first = audio.heard(base64.b64encode(b"\x01").decode())
    audio.configure({"audio": {}})
    assert (first, audio.heard(base64.b64encode(b"\x02").decode())) == (b"", b"\x01\x02")
