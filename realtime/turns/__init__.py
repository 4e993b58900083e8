"""From voice activity to turns."""
