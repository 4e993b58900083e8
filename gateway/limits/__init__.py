"""How much a project may ask of a model in a minute."""
