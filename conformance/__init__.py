"""Black-box suites, contracts and traces that every implementation must pass."""
