"""Agents: the wire contract, its validation, the table of agents, and the trial of ElevenLabs keys."""
