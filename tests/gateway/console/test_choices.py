"""`/playground/models`: what the page may offer."""

from __future__ import annotations

import json
from pathlib import Path

from gateway.app import build_app, build_services
from gateway.settings import Settings
from tests.gateway.console.test_entrance import OURS, House


async def test_each_model_is_told_with_its_voices(tmp_path: Path) -> None:
    """Voices are the model's own and may have names of the operator's; relays keep theirs."""
    endpoint = {"kind": "openai", "url": "http://127.0.0.1:9/v1"}
    relay = {"url": "wss://up.example.com/v1/realtime"}
    models = {
        "line": {"kind": "builtin", "voices": {"house": "af_sky"}, "voice": "house"},
        "far": {"kind": "relay", "relay": relay},
        "interpreter": {"kind": "translation", "chat": {"url": endpoint["url"], "model": "m"}},
    }
    file = tmp_path / "models.json"
    file.write_text(json.dumps({"models": models}))
    settings = Settings(
        data_dir=tmp_path, speech=False, skills=False, models=file,
        recognisers={"default": endpoint}, synthesiser=endpoint,
    )  # fmt: skip
    services, embedded = build_services(settings)
    house = House(build_app(services, embedded), services.operators)
    assert (await house.ask("GET", "/playground/models")).status == 401
    entered = await house.ask("POST", house.link(), origin=OURS)
    cookie = entered.headers["set-cookie"].split(";")[0]
    told = (await house.ask("GET", "/playground/models", cookie=cookie)).json()["models"]
    found = {model["id"]: model for model in told}
    assert len(found) == len(told)
    assert {"gpt-realtime", *models} <= set(found)
    assert not {"echo", "whisper-1"} & set(found)
    assert (found["line"]["kind"], found["line"]["default_voice"]) == ("builtin", "house")
    assert "house" in found["line"]["voices"]
    assert "house" not in found["gpt-realtime"]["voices"]
    assert found["gpt-realtime"]["default_voice"] == "alloy"
    assert (found["far"]["kind"], found["far"]["default_voice"]) == ("relay", None)
    assert found["interpreter"]["kind"] == "translation"
