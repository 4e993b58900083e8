"""Metrics, traces and logs: names are constants, label sets are closed."""
