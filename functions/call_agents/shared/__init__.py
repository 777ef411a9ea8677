"""What agents and API keys share. Nothing in here imports from outside this package."""
