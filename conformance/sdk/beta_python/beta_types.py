"""The old SDK's own types of the beta's server events, as a validator.

As a program: reads an event a line, writes what its type refuses a line (JSON).
"""

from __future__ import annotations

import json
import sys
from typing import Any, get_args

from openai.types.beta.realtime import RealtimeServerEvent
from pydantic import BaseModel, ValidationError

MODELS: dict[str, type[BaseModel]] = {
    get_args(model.model_fields["type"].annotation)[0]: model
    for model in get_args(get_args(RealtimeServerEvent)[0])
}
SECRET = {"value": "ek_", "expires_at": 0}


def faults(event: dict[str, Any]) -> list[str]:
    """Return what the SDK's type refuses."""
    kind = str(event.get("type"))
    if kind.startswith("transcription_session."):
        # The SDK never knew `.created`, and wants a secret where the service sent a null.
        kind = "transcription_session.updated"
        event = {**event, "type": kind, "session": {**event["session"], "client_secret": SECRET}}
    model = MODELS.get(kind)
    if model is None:
        return [f"the SDK knows no event type {kind!r}"]
    try:
        model.model_validate(event)
    except ValidationError as error:
        return [
            f"{kind} $.{'.'.join(str(step) for step in found['loc'])}: {found['msg']}"
            for found in error.errors(include_url=False)[:4]
        ]
    return []


def main() -> int:
    """Judge what comes in; exit code 1 if anything was refused."""
    refused = [fault for line in sys.stdin for fault in faults(json.loads(line))]
    for fault in sorted(set(refused)):
        print(json.dumps(fault))
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
