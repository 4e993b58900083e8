"""The application: everything with a side effect."""

VERSION = "0.1.0"
