"""The Realtime WebSocket."""
