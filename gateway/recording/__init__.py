"""The record of what happened, written behind the call."""
