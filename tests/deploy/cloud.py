"""The emulated AWS as its callers see it: each has credentials of its own."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.support.sam import REGION

SERVICES = (
    "apigateway",
    "cloudformation",
    "cloudwatch",
    "dynamodb",
    "dynamodbstreams",
    "events",
    "iam",
    "kms",
    "lambda",
    "logs",
    "s3",
    "sns",
    "sqs",
    "sts",
)

_CONFIG = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
_SECONDS = 60


class NotHeldError(Exception):
    """A claim about the deployment did not hold."""


@dataclass(frozen=True)
class Principal:
    """Who calls.

    Parameters
    ----------
    name : str
        For people.
    key_id, secret, token : str
        Credentials; permanent ones have no token.
    """

    name: str
    key_id: str
    secret: str
    token: str | None = None


ROOT_USER = Principal("root", "test", "test")
"""The account's root user, who deploys and checks. MiniStack knows it by this name."""


@dataclass(frozen=True)
class Cloud:
    """The emulated AWS.

    Parameters
    ----------
    url : str
        Where it listens.
    """

    url: str

    def client(self, service: str, principal: Principal = ROOT_USER) -> Any:
        """Return a client that signs with the caller's credentials, whatever this machine's are."""
        return _client(self.url, service, principal)

    def error(self, principal: Principal, service: str, operation: str, arguments: dict[str, Any]) -> str:
        """Make a call; return its error's code, empty when there is none."""
        try:
            getattr(self.client(service, principal), operation)(**arguments)
        except ClientError as error:
            return error.response["Error"]["Code"]
        return ""


@cache
def _client(url: str, service: Any, principal: Principal) -> Any:
    session = boto3.Session(principal.key_id, principal.secret, principal.token, REGION)
    return session.client(service, endpoint_url=url, config=_CONFIG)


def check(held: object, claim: str) -> None:
    """Raise NotHeldError with the claim, unless it held."""
    if not held:
        raise NotHeldError(claim)


def wait_for(look: Callable[[], Any], what: str) -> Any:
    """Repeat a check until it returns something, and return that."""
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.1)
    raise NotHeldError(f"{what}, within {_SECONDS} seconds")
