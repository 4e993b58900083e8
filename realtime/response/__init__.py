"""One live response, from `response.created` to its single `response.done`."""
