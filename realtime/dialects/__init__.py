"""Other dialects of the protocol, translated at the edge; the machine speaks GA only."""
