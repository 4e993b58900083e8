"""How core makes itself known to our hub, and how the hub tells that core is gone."""

from __future__ import annotations

CORE_HERE = "voiceengine.core.here"
CORE_GONE = "voiceengine.core.gone"
