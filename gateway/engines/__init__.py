"""The parts below the protocol machine, and which model name gets which."""
