"""The worker behind its client keeps the contracts of the speech ports."""

from __future__ import annotations

import pytest

from conformance.contracts.recogniser import check_recogniser
from conformance.contracts.synthesiser import check_synthesiser
from conformance.contracts.voice_activity import check_voice_activity
from ovos_bridge.speech.client import SpeechClient
from tests.ovos_bridge.speech.workers import QUESTION_TEXT

pytestmark = pytest.mark.real


async def test_recogniser_of_the_worker_keeps_the_contract(
    client: SpeechClient, question: bytes
) -> None:
    """Recognition obeys its contract, and the README's question is heard exactly."""
    await check_recogniser(client.recogniser, question, QUESTION_TEXT)


async def test_synthesiser_of_the_worker_keeps_the_contract(client: SpeechClient) -> None:
    """Synthesis obeys its contract."""
    await check_synthesiser(client.synthesiser)


async def test_detector_of_the_worker_keeps_the_contract(
    client: SpeechClient, question: bytes
) -> None:
    """Voice activity obeys its contract."""
    await check_voice_activity(client.detector, question)
