"""WAV files and audio of other rates, in whatever pieces a network brings them."""

from __future__ import annotations

import io
import struct
import wave

import pytest

from realtime.media.wav import CanonicalReader, wav_of
from tests.servers.tones import spoken

AUDIO = spoken("some words to be said")


def through(data: bytes, *, rate: int = 24_000, step: int = 7) -> bytes:
    """Read in small pieces."""
    reader = CanonicalReader(rate)
    parts = [reader.feed(data[at : at + step]) for at in range(0, len(data), step)]
    assert all(len(part) % 2 == 0 for part in parts)
    return b"".join(parts) + reader.finish()


def test_own_file_is_a_wav_file() -> None:
    """Others read it, and so do we, to the sample."""
    with wave.open(io.BytesIO(wav_of(AUDIO))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (24_000, 1, 2)
        assert file.readframes(file.getnframes()) == AUDIO
    assert through(wav_of(AUDIO)) == AUDIO


@pytest.mark.parametrize("step", [1, 3, 960, 100_000])
def test_raw_audio_passes_in_whole_samples(step: int) -> None:
    """However it is torn, nothing is lost and no sample is halved."""
    assert through(AUDIO, step=step) == AUDIO


def test_what_stands_around_the_samples_is_no_sound() -> None:
    """Chunks before are skipped, what follows the stated length too; a size of a stream is none."""
    file = wav_of(AUDIO)
    listed = file[:36] + b"LIST" + struct.pack("<I", 5) + b"abcde\0" + file[36:] + b"LISTrest"
    assert through(listed) == AUDIO
    endless = file[:40] + b"\xff\xff\xff\xff" + file[44:]
    assert through(endless) == AUDIO


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
def test_other_rates_become_canonical(rate: int) -> None:
    """The length in time stays, told by the file's own header or by the settings."""
    audio = spoken("some words to be said", rate)
    held = io.BytesIO()
    with wave.open(held, "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(audio)
    for made in (through(held.getvalue()), through(audio, rate=rate)):
        assert abs(len(made) - len(AUDIO)) < 200
        assert max(memoryview(made).cast("h")) > 5_500


@pytest.mark.parametrize("head", [b"ID3\x04", b"OggS", b"fLaC"])
def test_compressed_audio_is_refused(head: bytes) -> None:
    """Noise at full volume is worse than silence."""
    with pytest.raises(ValueError, match="compressed"):
        through(head + bytes(100))


@pytest.mark.parametrize(
    ("channels", "bits", "rate"), [(2, 16, 24_000), (1, 8, 24_000), (1, 16, 0)]
)
def test_foreign_samples_are_refused(channels: int, bits: int, rate: int) -> None:
    """Stereo, bytes and impossible rates are told, not played."""
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * 2, 2, bits)
    with pytest.raises(ValueError):
        through(b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0" + form + b"data\0\0\0\0" + bytes(10))


def test_header_without_end_is_refused() -> None:
    """It is not waited for."""
    with pytest.raises(ValueError, match="without end"):
        through(b"RIFF\0\0\0\0WAVEjunk\xff\xff\xff\x7f" + bytes(70_000), step=1_000)


def test_almost_nothing_is_nothing() -> None:
    """A few bytes are samples, half a header is none."""
    assert through(b"") == b""
    assert through(b"\1") == b""
    assert through(b"\1\2\3\4\5") == b"\1\2\3\4"
    assert through(b"RIFF\0\0") == b""
