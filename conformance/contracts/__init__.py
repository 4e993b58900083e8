"""What every implementation of an engine port must do, as code."""
