"""The trial of an agent's own ElevenLabs key: ``pending`` becomes ``ready``, or ``error`` with a reason."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from call_agents.agents.agent import Agent
from call_agents.agents.elevenlabs import ElevenLabs, connect
from call_agents.agents.store import AgentStore
from call_agents.shared.config import Settings
from call_agents.shared.errors import InternalError
from call_agents.shared.invocation import Invocation
from call_agents.shared.secret_box import SecretBox, UndecryptableError

KEY_UNREADABLE = "key_unreadable"
"""Reason for `ERROR` when the stored ciphertext cannot be decrypted."""


@dataclass(frozen=True)
class Activation:
    """Tries ElevenLabs keys and records the results.

    Parameters
    ----------
    agents : AgentStore
        Where results are recorded.
    secrets : SecretBox
        Decrypts the keys.
    elevenlabs : ElevenLabs
        Where they are tried.
    now : Callable
        Returns the time.
    """

    agents: AgentStore
    secrets: SecretBox
    elevenlabs: ElevenLabs
    now: Callable[[], datetime]

    def try_key(self, agent: Agent, invocation: Invocation) -> str | None:
        """Return why an agent's key does not work with its voice; None when it does.

        Raises
        ------
        ServiceUnavailable
            When KMS or ElevenLabs is busy, failed or timed out: retry later.
        InternalError
            When the agent has no key, or its item is malformed.
        """
        if agent.encrypted_key is None:
            raise InternalError(internal="malformed agent: ttsModel.elevenLabsApiKey")
        invocation.timer.begin("decrypt")
        try:
            key = self.secrets.decrypt(agent.encrypted_key, workspace_id=agent.workspace_id, agent_id=agent.id)
        except UndecryptableError:
            return KEY_UNREADABLE
        invocation.timer.begin("elevenLabs")
        return self.elevenlabs.try_voice(key, agent.voice_id)

    def record(self, agent: Agent, reason: str | None, invocation: Invocation) -> bool:
        """Record a result; False if the agent was modified or deleted meanwhile."""
        invocation.timer.begin("recordResult")
        return self.agents.record_result(agent, reason, self.now())


def build_activation(settings: Settings) -> Activation:
    """Build it from settings; raise ConfigError when one is missing or wrong."""
    return Activation(
        # One attempt: a retry could find its own write, whose response was lost, and take it for another's.
        agents=AgentStore(settings.dynamodb(max_attempts=1), settings.text("AGENTS_TABLE")),
        secrets=SecretBox(cache(settings.kms), settings.text("SECRETS_KEY_ID")),
        elevenlabs=connect(settings.elevenlabs_url, settings.public_roots),
        now=lambda: datetime.now(UTC),
    )
