"""What the deployment decides: the environment, read here and nowhere else, and the clients made from it."""

import logging
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.logging import Logger
from botocore.config import Config
from botocore.handlers import BUILTIN_HANDLERS
from botocore.httpsession import get_cert_path
from botocore.session import Session

from agents.api_keys import ALPHABET
from agents.aws_errors import refuse_foreign_answer
from agents.errors import DeploymentError
from agents.validation import AllowedValues
from telemetry import NAMESPACE, LineFormatter, Reporter

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_kms import KMSClient

MAX_ATTEMPTS = 3
"""How often a call is tried: once, and again after what may pass."""

_HANDLED_EVENTS = ("before-parameter-build", "before-send")

_COUNT = re.compile("[0-9]{1,9}")
LOG_LEVELS = frozenset(("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"))

# Whose certificates come from Amazon's own authority: the partitions `aws` and `aws-us-gov`. The others have their own.
_REGION_OF_AMAZON_ROOTS = re.compile("(us|eu|ap|sa|ca|me|af|il|mx)-([a-z]+|gov-[a-z]+)-[0-9]+")
_AMAZON_ROOTS = Path(__file__).with_name("amazon_roots.pem")

# A call that hangs ends after 4.5 s and the pauses between its attempts. A request makes five calls in a row at most,
# so the function's timeout is 28 s. Given explicitly, for otherwise AWS_MAX_ATTEMPTS and AWS_RETRY_MODE decide, and an
# AWS_ENDPOINT_URL could send keys elsewhere.
_CLIENT_CONFIG = Config(
    connect_timeout=0.5,
    read_timeout=1,
    tcp_keepalive=True,
    parameter_validation=False,  # a third of a large write's time, and our requests are typed
    user_agent="create-call-agent",  # botocore would compose its own for each call, a sixth of a small one's work
    ignore_configured_endpoint_urls=True,  # type: ignore[call-arg]  # the stubs lack it
)


@dataclass(frozen=True)
class Environment:
    """The variables of a function, by name.

    Parameters
    ----------
    variables : Mapping[str, str]
        ``os.environ``, or a test's own.
    """

    variables: Mapping[str, str]

    def text(self, name: str) -> str:
        """Return a variable that has to be there.

        Raises
        ------
        DeploymentError
            When it is absent or blank.
        """
        value = self.variables.get(name, "").strip()
        if not value:
            raise DeploymentError(internal=f"the environment variable {name} is not set")
        return value

    def names(self, name: str) -> tuple[str, ...]:
        """Return a comma-separated list; absent or blank, it is empty."""
        return tuple(item.strip() for item in self.variables.get(name, "").split(",") if item.strip())

    def count(self, name: str) -> int:
        """Return a whole number that has to be there, 0 or more; raises as `text` does."""
        value = self.text(name)
        if not _COUNT.fullmatch(value):
            raise DeploymentError(internal=f"the environment variable {name} is not a whole number")
        return int(value)

    @property
    def allowed_values(self) -> AllowedValues:
        """``ALLOWED_LLM_MODELS``, empty for any, and ``ALLOWED_TTS_PROVIDERS``, which must not be empty."""
        providers = self.names("ALLOWED_TTS_PROVIDERS")
        if not providers:
            raise DeploymentError(internal="the environment variable ALLOWED_TTS_PROVIDERS names none")
        return AllowedValues(llm_models=self.names("ALLOWED_LLM_MODELS"), tts_providers=providers)

    @property
    def endpoint_url(self) -> str | None:
        """``ENDPOINT_URL``: where AWS is in a local run; None in a deployment."""
        return self.variables.get("ENDPOINT_URL", "").strip() or None

    @property
    def allow_test_keys(self) -> bool:
        """Whether this is a local run. A function that talks to the real AWS never takes the sample events' key."""
        return self.endpoint_url is not None

    @property
    def log_level(self) -> str:
        """``LOG_LEVEL``; INFO when it is absent or none."""
        level = self.variables.get("LOG_LEVEL", "").strip().upper()
        return level if level in LOG_LEVELS else "INFO"

    @property
    def roots(self) -> str | None:
        """File of the certificates that AWS is trusted by; None for botocore's.

        botocore parses its 120 anew for every connection, and Amazon's five are enough for most regions. An operator
        who sets ``AWS_CA_BUNDLE`` decides otherwise.
        """
        region = self.variables.get("AWS_REGION", "")
        if "AWS_CA_BUNDLE" in self.variables or not _REGION_OF_AMAZON_ROOTS.fullmatch(region):
            return None
        return str(_AMAZON_ROOTS)

    def dynamodb(self, attempts: int = MAX_ATTEMPTS) -> "DynamoDBClient":
        """Make a DynamoDB client with bounded time and attempts."""
        client: DynamoDBClient = self._client("dynamodb", attempts)
        _rehearse(client)
        return client

    def kms(self) -> "KMSClient":
        """Make a KMS client with bounded time and attempts."""
        client: KMSClient = self._client("kms", MAX_ATTEMPTS)
        return client

    @property
    def elevenlabs_url(self) -> str:
        """``ELEVENLABS_URL``: base of ElevenLabs' API, without a slash at its end.

        Raises
        ------
        DeploymentError
            When it is absent, or would send keys in plain text anywhere but in a local run.
        """
        url = self.text("ELEVENLABS_URL").rstrip("/")
        if not url.startswith("https://") and self.endpoint_url is None:
            raise DeploymentError(internal="the environment variable ELEVENLABS_URL is not https://")
        return url

    @property
    def public_roots(self) -> str:
        """File of the certificates that others than AWS are trusted by: botocore's, or ``AWS_CA_BUNDLE``."""
        return self.variables.get("AWS_CA_BUNDLE") or str(get_cert_path(True))  # noqa: FBT003 - whether to verify

    def _client(self, service: str, attempts: int) -> Any:  # noqa: ANN401 - botocore makes its clients' classes at run time
        """Make a client that believes nobody but AWS, and logs nothing of what it sends."""
        config = _CLIENT_CONFIG.merge(Config(retries={"mode": "standard", "total_max_attempts": attempts}))
        client = self._session.create_client(service, config=config, endpoint_url=self.endpoint_url, verify=self.roots)
        client.meta.events.register("after-call", refuse_foreign_answer)
        # Where the root logger is at DEBUG, it would log whole requests, plain secrets included.
        logging.getLogger("botocore").setLevel(logging.WARNING)
        return client

    @cached_property
    def _session(self) -> Session:
        """Make what boto3.client() makes its clients with, but with few of botocore's 127 handlers.

        Importing boto3 itself and registering all handlers would each be a twentieth of a cold start. Most are for
        other services; those kept give a transaction the token that makes its retry safe, and let moto step in.
        One session makes all clients, for it keeps the data that it has read.
        """
        session = Session(include_builtin_handlers=False)
        for event, handler, *_ in BUILTIN_HANDLERS:
            if event in _HANDLED_EVENTS:
                session.register(event, handler)
        return session

    def reporter(self, service: str) -> Reporter:
        """Make what logs and counts; ``POWERTOOLS_METRICS_NAMESPACE`` tells the metrics of two stacks apart."""
        namespace = self.variables.get("POWERTOOLS_METRICS_NAMESPACE", "").strip() or NAMESPACE
        formatter = LineFormatter(service=service)
        return Reporter(Logger(service=service, level=self.log_level, logger_formatter=formatter), namespace)


class _NotSentError(Exception):
    """Ends a rehearsal."""


def _stop(**_: object) -> None:
    raise _NotSentError


def _rehearse(client: "DynamoDBClient") -> None:
    """Let first calls go all the way but out: they load shapes, find credentials and sign; no request has to."""
    client.meta.events.register_first("before-send", _stop)
    with suppress(Exception):  # whatever is wrong, the first request will meet it too, and tell
        client.get_item(TableName="rehearsal", Key={"key": {"S": "-"}})
    with suppress(Exception):
        client.put_item(TableName="rehearsal", Item={"key": {"S": "-"}})
    client.meta.events.unregister("before-send", _stop)


def random_text(length: int) -> str:
    """Return characters that cannot be guessed, of `agents.api_keys.ALPHABET`."""
    return "".join(secrets.choice(ALPHABET) for _ in range(length))
