"""The official SDKs, unmodified: only URL, key and authority are ours."""
