"""Function tools."""
