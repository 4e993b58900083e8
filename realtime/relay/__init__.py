"""A session whose model runs behind another Realtime endpoint: the pure part."""
