"""Request bodies that many tests share."""

from typing import Any

EXAMPLE: dict[str, Any] = {
    "name": "Customer Support Agent",
    "ttsModel": {"provider": "rime", "voiceId": "mistv2_Wildflower", "name": "Sophie", "language": "en"},
    "llmModel": "gpt-4o",
    "type": "voice",
    "smartCallback": True,
    "maxAttemptsForSmartCallback": 3,
    "gapBetweenEachAttemptForSmartCallback": [
        {"days": 1, "hours": 2},
        {"days": 2, "hours": 0},
        {"days": 3, "hours": 6},
    ],
    "settings": {"speed": 0.8, "volume": 1, "temperature": 0.7},
}
"""The API page's own example."""

MINIMUM: dict[str, Any] = {"name": "Sophie", "ttsModel": {"provider": "rime"}}
"""The smallest body that creates an agent."""

ELEVENLABS_KEY = "sk_elevenlabs_q7Rw2LzX9mVt4KpB"

BYO: dict[str, Any] = {
    "name": "Sophie",
    "ttsModel": {"provider": "11labs_byo", "voiceId": "21m00Tcm4TlvDq8ikWAM", "elevenLabsApiKey": ELEVENLABS_KEY},
}
"""An agent with its own ElevenLabs key."""


def with_own_key(voice_id: str) -> dict[str, Any]:
    """Return an agent with its own ElevenLabs key and a voice, which decides a local trial's result."""
    return {**BYO, "ttsModel": {**BYO["ttsModel"], "voiceId": voice_id}}
