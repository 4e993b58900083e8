"""G.711 mu-law and A-law by table (ITU-T G.711); 8 kHz, one byte a sample."""

from __future__ import annotations

import numpy as np

_MULAW_BIAS = 33
_ALAW_TOGGLE = 0x55


def _ulaw_decoded(code: int) -> int:
    """G.711 table 2: sign, three bits of exponent, four of mantissa, all inverted."""
    code = ~code & 0xFF
    exponent, mantissa = (code >> 4) & 7, code & 15
    magnitude = (((mantissa << 1) + _MULAW_BIAS) << (exponent + 2)) - (_MULAW_BIAS << 2)
    return -magnitude if code & 0x80 else magnitude


def _alaw_decoded(code: int) -> int:
    """G.711 table 1: even bits inverted."""
    code ^= _ALAW_TOGGLE
    exponent, mantissa = (code >> 4) & 7, code & 15
    magnitude = (mantissa << 4) + 8
    if exponent:
        magnitude = (magnitude + 0x100) << (exponent - 1)
    return magnitude if code & 0x80 else -magnitude


def _ulaw_encoded(sample: int) -> int:
    sign = 0x80 if sample < 0 else 0
    value = min(abs(sample >> 2), 8158) + _MULAW_BIAS
    exponent = max(value.bit_length() - 6, 0)
    return ~(sign | (exponent << 4) | ((value >> (exponent + 1)) & 15)) & 0xFF


def _alaw_encoded(sample: int) -> int:
    sign = 0x80 if sample >= 0 else 0
    value = (sample if sample >= 0 else -sample - 1) >> 4
    exponent = max(value.bit_length() - 4, 0)
    mantissa = (value >> (exponent - 1)) & 15 if exponent > 0 else value & 15
    return (sign | (exponent << 4) | mantissa) ^ _ALAW_TOGGLE


_ULAW_TO_PCM = np.array([_ulaw_decoded(code) for code in range(256)], dtype="<i2")
_ALAW_TO_PCM = np.array([_alaw_decoded(code) for code in range(256)], dtype="<i2")


_PCM_TO_ULAW = np.array(
    [_ulaw_encoded(sample - 65_536 if sample > 32_767 else sample) for sample in range(65_536)],
    dtype=np.uint8,
)
_PCM_TO_ALAW = np.array(
    [_alaw_encoded(sample - 65_536 if sample > 32_767 else sample) for sample in range(65_536)],
    dtype=np.uint8,
)


def ulaw_to_pcm(audio: bytes) -> bytes:
    """Return 16-bit PCM of mu-law bytes, at the same rate."""
    return _ULAW_TO_PCM[np.frombuffer(audio, dtype=np.uint8)].tobytes()


def alaw_to_pcm(audio: bytes) -> bytes:
    """Return 16-bit PCM of A-law bytes, at the same rate."""
    return _ALAW_TO_PCM[np.frombuffer(audio, dtype=np.uint8)].tobytes()


def pcm_to_ulaw(audio: bytes) -> bytes:
    """Return mu-law bytes of 16-bit PCM, at the same rate."""
    coded: bytes = _PCM_TO_ULAW[np.frombuffer(audio, dtype="<u2")].tobytes()
    return coded


def pcm_to_alaw(audio: bytes) -> bytes:
    """Return A-law bytes of 16-bit PCM, at the same rate."""
    coded: bytes = _PCM_TO_ALAW[np.frombuffer(audio, dtype="<u2")].tobytes()
    return coded
