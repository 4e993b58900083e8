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
from gateway.settings.network import IceServer, NetworkSettings
from gateway.settings.settings import PREFIX, SECRETS_DIR, Settings
from gateway.settings.tools import ClientAction, ContextUpdate, WebhookTool

__all__ = [
    "PREFIX",
    "SECRETS_DIR",
    "CartesiaSynthesiser",
    "ClientAction",
    "ContextUpdate",
    "DeclaredModel",
    "DeepgramRecogniser",
    "IceServer",
    "NetworkSettings",
    "OpenAIRecogniser",
    "OpenAISynthesiser",
    "PluginSetting",
    "Prices",
    "RecogniserSetting",
    "RelaySetting",
    "Settings",
    "WebhookTool",
]
