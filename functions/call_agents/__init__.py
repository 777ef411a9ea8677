"""Everything behind the Lambda handlers: agents, API keys, and what both share."""
