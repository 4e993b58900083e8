"""Recognisers and voices at endpoints that are reached over the network."""
