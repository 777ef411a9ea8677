"""Settings of a function: the only module that reads the environment."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.config import Config
from botocore.httpsession import get_cert_path

from call_agents.shared.aws import (
    CLIENT_CONFIG,
    MAX_ATTEMPTS,
    attempts,
    dynamodb_client,
    events_client,
    kms_client,
    trusted_roots,
)
from call_agents.shared.errors import ConfigError

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_events import EventBridgeClient
    from types_boto3_kms import KMSClient

LOG_LEVELS = frozenset(("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"))
METRICS_NAMESPACE = "CreateCallAgent"

_COUNT = re.compile("[0-9]{1,9}")


@dataclass(frozen=True)
class AllowedValues:
    """Two lists that change often and are therefore parameters of a deployment.

    Parameters
    ----------
    llm_models : tuple of str
        Allowed values of ``llmModel``; empty means any.
    tts_providers : tuple of str
        Allowed values of ``ttsModel.provider``.
    """

    llm_models: tuple[str, ...]
    tts_providers: tuple[str, ...]


@dataclass(frozen=True)
class Settings:
    """The environment variables of a function.

    Parameters
    ----------
    variables : Mapping[str, str]
        ``os.environ``, or a test's own.
    client_config : Config
        Timeouts and attempts of AWS clients; no variable can change them.
    """

    variables: Mapping[str, str]
    client_config: Config = CLIENT_CONFIG

    def text(self, name: str, default: str = "") -> str:
        """Return a variable; raise ConfigError when it is absent or blank and has no default."""
        value = self.variables.get(name, "").strip() or default
        if not value:
            raise ConfigError(internal=f"the environment variable {name} is not set")
        return value

    def names(self, name: str) -> tuple[str, ...]:
        """Return a comma-separated list; empty when the variable is absent or blank."""
        return tuple(item.strip() for item in self.variables.get(name, "").split(",") if item.strip())

    def count(self, name: str, default: str = "") -> int:
        """Return a whole number, 0 or more; raise ConfigError when it is none, or absent without a default."""
        value = self.text(name, default)
        if not _COUNT.fullmatch(value):
            raise ConfigError(internal=f"the environment variable {name} is not a whole number")
        return int(value)

    @property
    def allowed_values(self) -> AllowedValues:
        """``ALLOWED_LLM_MODELS``, where empty means any, and ``ALLOWED_TTS_PROVIDERS``, which must not be empty."""
        providers = self.names("ALLOWED_TTS_PROVIDERS")
        if not providers:
            raise ConfigError(internal="the environment variable ALLOWED_TTS_PROVIDERS is empty")
        return AllowedValues(llm_models=self.names("ALLOWED_LLM_MODELS"), tts_providers=providers)

    @property
    def endpoint_url(self) -> str | None:
        """``ENDPOINT_URL``: the AWS emulator of a local run; None in a deployment."""
        return self.variables.get("ENDPOINT_URL", "").strip() or None

    @property
    def allow_test_keys(self) -> bool:
        """True in a local run only: a function that talks to the real AWS never accepts the sample events' key."""
        return self.endpoint_url is not None

    @property
    def log_level(self) -> str:
        """``LOG_LEVEL``; INFO when it is absent or unknown."""
        level = self.variables.get("LOG_LEVEL", "").strip().upper()
        return level if level in LOG_LEVELS else "INFO"

    @property
    def metrics_namespace(self) -> str:
        """``POWERTOOLS_METRICS_NAMESPACE``, which keeps the metrics of two stacks apart."""
        return self.variables.get("POWERTOOLS_METRICS_NAMESPACE", "").strip() or METRICS_NAMESPACE

    @property
    def elevenlabs_url(self) -> str:
        """``ELEVENLABS_URL`` without a trailing slash; ConfigError when absent, or not https outside a local run."""
        url = self.text("ELEVENLABS_URL").rstrip("/")
        if not url.startswith("https://") and self.endpoint_url is None:
            raise ConfigError(internal="the environment variable ELEVENLABS_URL does not start with https://")
        return url

    @property
    def public_roots(self) -> str:
        """File of the root certificates for services other than AWS: ``AWS_CA_BUNDLE``, or botocore's own."""
        return self.variables.get("AWS_CA_BUNDLE") or str(get_cert_path(True))  # noqa: FBT003 - means "verify"

    def dynamodb(self, max_attempts: int = MAX_ATTEMPTS) -> "DynamoDBClient":
        """Make a DynamoDB client."""
        config = self.client_config.merge(attempts(max_attempts))
        return dynamodb_client(config, self.endpoint_url, trusted_roots(self.variables))

    def kms(self) -> "KMSClient":
        """Make a KMS client."""
        return kms_client(self.client_config, self.endpoint_url, trusted_roots(self.variables))

    def events(self) -> "EventBridgeClient":
        """Make an EventBridge client."""
        return events_client(self.client_config, self.endpoint_url, trusted_roots(self.variables))
