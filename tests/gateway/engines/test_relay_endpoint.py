"""Where a relayed model is reached, and with what."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway.engines.relay.endpoint import RelayEndpoint, relay_endpoints
from gateway.settings import Settings


def endpoint(**relay: str) -> RelayEndpoint:
    """Return the endpoint of a setting."""
    setting = {"url": "wss://example.com/v1/realtime", **relay}
    return relay_endpoints(Settings.model_validate({"relays": {"name": setting}}))["name"]


def test_model_stands_in_the_query_beside_what_the_url_has() -> None:
    """The operator's model replaces one in the URL."""
    found = endpoint(url="wss://example.com/v1/realtime?x=1&model=a", model="b c")
    assert found.address == "wss://example.com/v1/realtime?x=1&model=b+c"


def test_url_without_a_model_is_taken_as_it_is() -> None:
    """Its own model is the model."""
    assert endpoint(url="ws://h/v1/realtime?model=a").address == "ws://h/v1/realtime?model=a"


def test_key_goes_into_the_header_that_the_endpoint_wants() -> None:
    """Azure has one of its own; without a key there is none."""
    assert endpoint(api_key="k").headers() == {"Authorization": "Bearer k"}
    assert endpoint(api_key="k", key_header="api-key").headers() == {"api-key": "k"}
    assert endpoint().headers() == {}


def test_key_is_not_shown() -> None:
    """Neither in the settings' nor in the endpoint's text."""
    setting = {"name": {"url": "wss://h/", "api_key": "hunter2"}}
    settings = Settings.model_validate({"relays": setting})
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in repr(relay_endpoints(settings))


def test_url_must_be_a_websockets() -> None:
    """Else it fails at the start, not at the first call."""
    with pytest.raises(ValidationError):
        endpoint(url="https://example.com/v1/realtime")
