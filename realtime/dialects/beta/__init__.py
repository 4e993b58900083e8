"""The dialect of `OpenAI-Beta: realtime=v1` (CONTRACT 18), for clients that still speak it."""
