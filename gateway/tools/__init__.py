"""Tools that the gateway runs itself: MCP servers of sessions, webhooks of the operator."""
