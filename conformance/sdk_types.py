"""The official SDK's own types of server events, where the SDK is installed."""

from __future__ import annotations

import importlib.util
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

PACKAGE = "openai"


def available() -> bool:
    """Say whether the SDK can be imported here."""
    return importlib.util.find_spec(PACKAGE) is not None


class SdkTypes:
    """One model per event type; a type that the SDK does not list is a fault."""

    def __init__(self, *, translations: bool = False) -> None:
        """Know the events of conversations, or those of translation sessions."""
        from openai.types import realtime

        name = "RealtimeTranslationServerEvent" if translations else "RealtimeServerEvent"
        union = getattr(realtime, name)
        if get_origin(union) is Annotated:
            union = get_args(union)[0]
        self._models: dict[str, type[BaseModel]] = {}
        for model in get_args(union):
            (word,) = get_args(model.model_fields["type"].annotation)
            self._models[word] = model

    def faults(self, event: dict[str, Any]) -> list[str]:
        """Return what the SDK's type refuses; one finding per place, the unions' first branch."""
        model = self._models.get(str(event.get("type")))
        if model is None:
            return [f"the SDK knows no event type {event.get('type')!r}"]
        try:
            model.model_validate(event)
        except ValidationError as error:
            return [
                f"$.{'.'.join(str(step) for step in found['loc'])}: {found['msg']}"
                for found in error.errors(include_url=False)[:4]
            ]
        return []
