"""One session: its machine, configuration, inputs and effects."""
