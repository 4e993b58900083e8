"""The application: everything with a side effect."""
