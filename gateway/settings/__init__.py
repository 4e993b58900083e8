"""Every setting, read once at start; nothing else reads the environment."""

from gateway.settings.engines import (
    CartesiaSynthesiser,
    DeepgramRecogniser,
    OpenAIRecogniser,
    OpenAISynthesiser,
    PluginSetting,
    RecogniserSetting,
    RelaySetting,
)
from gateway.settings.models import DeclaredModel, Prices
from gateway.settings.settings import PREFIX, SECRETS_DIR, Settings
from gateway.settings.tools import WebhookTool

__all__ = [
    "PREFIX",
    "SECRETS_DIR",
    "CartesiaSynthesiser",
    "DeclaredModel",
    "DeepgramRecogniser",
    "OpenAIRecogniser",
    "OpenAISynthesiser",
    "PluginSetting",
    "Prices",
    "RecogniserSetting",
    "RelaySetting",
    "Settings",
    "WebhookTool",
]
