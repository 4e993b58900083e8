"""Audio as bytes and numbers: formats and rates, without I/O."""
