"""The speech worker and its client, for real."""
