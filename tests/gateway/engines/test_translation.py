"""Which engine translates."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.engines.builtin import BuiltinBrain
from gateway.engines.echo import EchoBrain, ToneSynthesiser
from gateway.engines.engine import Engine
from gateway.engines.routing import RoutingRecogniser
from gateway.engines.translation import TRANSLATION_MODELS, Translators
from gateway.identity.principal import Principal
from realtime.errors import InvalidModel
from tests.gateway.engines.test_routing import Opened

WHOLE = Engine(
    name="chat",
    brain=BuiltinBrain(lambda: ""),
    recogniser=RoutingRecogniser(Opened(), {}),
    synthesiser=ToneSynthesiser(),
)
CHAT = EchoBrain()
CALLER = Principal(kind="api_key", organisation_id="org", project_id="proj", key_id="key")


def test_chat_model_translates_with_the_ears_and_the_voice_of_conversations() -> None:
    """Not with whatever else answers there, such as skills."""
    engine = Translators.of(WHOLE, CHAT).resolve("gpt-realtime-translate", CALLER)
    assert engine.brain is CHAT
    assert (engine.recogniser, engine.synthesiser) == (WHOLE.recogniser, WHOLE.synthesiser)


@pytest.mark.parametrize(
    ("translators", "missing"),
    [
        (Translators.of(WHOLE, None), "no chat model"),
        (Translators.of(replace(WHOLE, recogniser=None), CHAT), "no recogniser"),
        (Translators.of(replace(WHOLE, synthesiser=None), CHAT), "no voice"),
    ],
)
def test_missing_part_makes_the_model_unavailable_and_is_named(
    translators: Translators, missing: str
) -> None:
    """The contract's code, a sentence that says what to do; the name is not listed."""
    assert not translators.names(CALLER)
    with pytest.raises(InvalidModel) as refused:
        translators.resolve(TRANSLATION_MODELS[0], CALLER)
    assert missing in refused.value.message


def test_other_models_do_not_translate() -> None:
    """A model of conversations is none here."""
    with pytest.raises(InvalidModel) as refused:
        Translators.of(WHOLE, CHAT).resolve("gpt-realtime", CALLER)
    assert refused.value.code == "invalid_model"


def test_key_that_is_held_to_other_models_does_not_translate() -> None:
    """A name that is not on its list is neither listed nor served."""
    translators, held = Translators.of(WHOLE, CHAT), replace(CALLER, models=frozenset({"echo"}))
    assert not translators.names(held)
    with pytest.raises(InvalidModel):
        translators.resolve(TRANSLATION_MODELS[0], held)
