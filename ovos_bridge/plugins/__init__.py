"""Our own OVOS plugins, and how the worker loads any."""
