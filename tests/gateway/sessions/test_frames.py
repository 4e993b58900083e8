"""Frames by their beginning: what passes unread, and what must be read."""

from __future__ import annotations

import json

import pytest

from gateway.sessions.frames import (
    delta_samples,
    is_append_on_wire,
    is_audio_delta,
    is_audio_on_wire,
    is_plain_append,
    samples_on_wire,
)


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_append_of_sdks_passes_unread(separators: tuple[str, str]) -> None:
    """As the JavaScript and the Python SDK write it."""
    event = {"type": "input_audio_buffer.append", "audio": "AAAA"}
    text = json.dumps(event, separators=separators)
    assert is_plain_append(text)
    assert is_append_on_wire(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        '{"type":"input_audio_buffer.append","type":"session.update"}',
        '{"type":"input_audio_buffer.append","audio":"","type":"session.update"}',
        '{"type":"input_audio_buffer.append","audio":"","session":{"tools":[]}}',
        '{"type":"input_audio_buffer.append","event_id":"e","audio":"AAAA"}',
        '{"audio":"AAAA","type":"input_audio_buffer.append"}',
        '{"type":"input_audio_buffer.append","audio":"AAAA"} {}',
        '{"type":"input_audio_buffer.append","audio":"AAAA"',
        '{"type":"input_audio_buffer.appendix","audio":"AAAA"}',
    ],
)
def test_append_in_another_form_is_read(text: str) -> None:
    """A key that stands twice must not hide another event behind audio."""
    assert not is_plain_append(text)
    assert not is_append_on_wire(text.encode())


def test_append_that_is_not_ascii_is_decoded_first() -> None:
    """Only the decoder knows whether it is UTF-8 at all."""
    head, tail = b'{"type":"input_audio_buffer.append","audio":"', b'"}'
    assert is_append_on_wire(head + b"AAAA" + tail)
    assert not is_append_on_wire(head + "ü".encode() + tail)
    assert not is_append_on_wire(head + b"\xff" + tail)


@pytest.mark.parametrize(
    "text",
    [
        '{"type":"response.output_audio.delta","event_id":"e","delta":"AAAA"}',
        '{"event_id": "e", "type": "response.output_audio.delta", "delta": "AAAA"}',
        ' { "type" : "response.output_audio.delta", "delta": "AAAA" } ',
    ],
)
def test_audio_delta_is_known_in_the_usual_orders_of_keys(text: str) -> None:
    """Type first, or behind the event's id."""
    assert is_audio_delta(text)


@pytest.mark.parametrize(
    "text",
    [
        '{"type":"response.output_audio.done"}',
        '{"type":"response.output_audio_transcript.delta","delta":"x"}',
        '{"item":{"type":"response.output_audio.delta"},"type":"other"}',
        '{"type":"response.output_audio.delta","delta":"AA',
        "",
    ],
)
def test_other_frames_are_read(text: str) -> None:
    """Also those that only hold the words somewhere."""
    assert not is_audio_delta(text)
    assert not is_audio_on_wire(text.encode())


def test_audio_passes_undecoded_in_the_form_that_clients_get() -> None:
    """Type first, without spaces, ASCII; every other form is written anew."""
    text = '{"type":"response.output_audio.delta","event_id":"e","delta":"AAAA"}'
    assert is_audio_on_wire(text.encode())
    assert not is_audio_on_wire(text.replace(":", ": ").encode())
    assert not is_audio_on_wire(text.replace("AAAA", "ü").encode())
    assert not is_audio_on_wire(text.encode().replace(b"AAAA", b"\xff"))


def test_samples_of_a_delta_are_counted_by_its_length() -> None:
    """Two bytes each in PCM, a third of a byte each (at 24 kHz) in G.711."""
    text = '{"type":"response.output_audio.delta","delta":"' + "A" * 64 + '"}'
    assert delta_samples(text, bytes_per_sample=2) == 24
    assert delta_samples(text, bytes_per_sample=1 / 3) == 144
    assert samples_on_wire(text.encode(), bytes_per_sample=2) == 24
    assert (
        delta_samples("{}", bytes_per_sample=2) == samples_on_wire(b"{}", bytes_per_sample=2) == 0
    )
