"""Speech: the worker process (in the speech environment) and its client (in the gateway)."""
