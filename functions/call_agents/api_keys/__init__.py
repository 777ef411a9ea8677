"""API keys: the key itself, the table of keys, and the rate limit of each key."""
