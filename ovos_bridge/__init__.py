"""An engine that speaks to OVOS: skills over the message bus, speech through plugins."""
