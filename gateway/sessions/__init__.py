"""What drives one call: the runner and everything it carries effects out with."""
