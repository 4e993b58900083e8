"""What the measurements stand on."""
