"""Scenarios of our own over a raw WebSocket, against any base URL."""
