"""A package, so that it wins over any other `tests` that is installed in the environment."""
