"""Starts the parts of OVOS that run in the speech environment; stdlib and OVOS only."""
