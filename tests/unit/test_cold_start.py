"""A cold start loads little, prepares the first request, and touches nothing that a snapshot must not hold."""

import gc
import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import pytest

from tests.conftest import Client
from tests.local.aws import CREDENTIALS
from tests.support.events import LambdaContext
from tests.support.template import ROOT, load_template

NOT_LOADED = {
    "agents.models",  # what it says is in agents.request_schema
    "annotated_types",
    "aws_lambda_powertools.event_handler",
    "aws_lambda_powertools.utilities.data_classes",
    "aws_lambda_powertools.utilities.idempotency",
    "aws_lambda_powertools.utilities.parser",
    "aws_xray_sdk",  # Powertools loads its own module of tracing whoever asks, but not this
    "asyncio",
    "boto3",
    "cryptography",
    "http.server",
    "hypothesis",
    "manage_api_keys",
    "moto",
    "multiprocessing",
    "pydantic",  # pydantic_core is its half that validates
    "pytest",
    "requests",
    "s3transfer",
    "types_boto3_dynamodb",
    "types_boto3_kms",
    "typing_inspection",
    "unittest",
    "yaml",
}

MAX_MODULES = 410
"""399 are loaded today, by Python 3.11 from the sources and by 3.14 from a package: what 3.14 loads more of its own
library, `site` loads here. The rest is for the Pythons between and for a patch of a package."""

# What connects, looks up a name or makes an identity fails; `prepare` lets failures pass, so they are counted as well.
REPORT = """
import gc, json, os, random, secrets, socket, sys, uuid

forbidden = []

def forbid(owner, name):
    real = getattr(owner, name)
    def fail(*arguments, **options):
        # botocore numbers every call, one that is only rehearsed too, and forgets the number with it.
        if sys._getframe(1).f_globals.get("__name__") in {"botocore.endpoint", "uuid"}:
            return real(*arguments, **options)
        forbidden.append(name)
        raise AssertionError(name)
    setattr(owner, name, fail)

for name in ("connect", "connect_ex", "sendto"):
    forbid(socket.socket, name)
for name in ("getaddrinfo", "create_connection"):
    forbid(socket, name)
for name in ("uuid1", "uuid4", "getnode"):
    forbid(uuid, name)
for name in ("token_hex", "token_bytes", "choice", "randbelow"):
    forbid(secrets, name)
for name in ("random", "randint", "choice", "getrandbits"):
    forbid(random, name)
forbid(os, "urandom")

import botocore.client
services = []
make_client = botocore.client.ClientCreator.create_client
def record(self, service_name, *arguments, **options):
    services.append(service_name)
    return make_client(self, service_name, *arguments, **options)
botocore.client.ClientCreator.create_client = record

import cold_start

print(json.dumps({
    "forbidden": forbidden,
    "services": services,
    "modules": sorted(sys.modules),
    "prepared": cold_start.create_agent.application.cache_info().currsize,
    "collects": gc.isenabled(),
    "frozen": gc.get_freeze_count(),
}))
"""

FIRST_REQUEST = """
import json, sys
from types import SimpleNamespace
import cold_start
answer = cold_start.handler(json.load(sys.stdin), SimpleNamespace(aws_request_id="request-1"))
print(json.dumps(answer))
"""


def run(program: str, variables: dict[str, str], given: str = "") -> Any:
    """Run a program where the functions are the import root; return its last line. -B: it leaves no bytecode behind."""
    command = [sys.executable, "-B", "-c", program]
    result = subprocess.run(
        command, env=variables, cwd=ROOT / "functions", input=given, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def started() -> dict[str, Any]:
    found: dict[str, Any] = run(REPORT, {**CREDENTIALS, **load_template().environment("CreateAgentFunction")})
    return found


def test_a_cold_start_loads_nothing_that_no_request_needs(started: dict[str, Any]) -> None:
    assert NOT_LOADED.intersection(started["modules"]) == set()


@pytest.mark.parametrize("name", ["pydantic_core", "botocore.httpsession", "agents.request_schema"])
def test_a_cold_start_loads_what_every_request_needs(started: dict[str, Any], name: str) -> None:
    assert name in started["modules"]


def test_a_cold_start_keeps_to_its_budget_of_modules(started: dict[str, Any]) -> None:
    assert len(started["modules"]) <= MAX_MODULES


def test_a_cold_start_makes_the_clients_of_dynamodb_and_leaves_that_of_kms_to_the_first_secret(
    started: dict[str, Any],
) -> None:
    assert started["prepared"] == 1
    assert set(started["services"]) == {"dynamodb"}


def test_a_cold_start_opens_no_connection_and_makes_no_identity(started: dict[str, Any]) -> None:
    assert started["forbidden"] == []


def test_a_cold_start_freezes_its_heap_and_leaves_the_collector_on(started: dict[str, Any]) -> None:
    assert started["collects"] is True
    assert started["frozen"] > 0


def test_without_an_environment_a_cold_start_survives_and_the_request_is_answered_in_the_projects_own_shape() -> None:
    answer = run(FIRST_REQUEST, {}, (ROOT / "events/create_agent.json").read_text("utf-8"))

    error = json.loads(answer["body"])["error"]
    assert answer["statusCode"] == 500
    assert answer["headers"]["Content-Type"] == "application/json"
    assert error["code"] == "internal_error"
    assert "environment" not in error["message"]


@pytest.fixture
def handler(new_application: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Start the function in this process, anew."""
    new_application()
    monkeypatch.delitem(sys.modules, "cold_start", raising=False)
    yield import_module("cold_start").handler
    gc.unfreeze()


def test_a_request_after_a_cold_start_creates_an_agent_with_what_was_prepared(handler: Any, client: Client) -> None:
    answer = handler(client.event(), LambdaContext())

    assert answer["statusCode"] == 201
    assert import_module("create_agent").application.cache_info().misses == 1


def test_environments_that_are_restored_from_one_snapshot_draw_numbers_of_their_own(
    new_application: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks: list[Callable[[], None]] = []
    runtime = SimpleNamespace(register_after_restore=hooks.append)
    monkeypatch.setitem(sys.modules, "snapshot_restore_py", cast("ModuleType", runtime))
    monkeypatch.delitem(sys.modules, "cold_start", raising=False)
    new_application()
    import_module("cold_start")
    gc.unfreeze()
    snapshot, drawn = random.getstate(), set()

    for _ in range(2):
        random.setstate(snapshot)
        for hook in hooks:
            hook()
        drawn.add(random.random())  # noqa: S311 - pauses, not secrets

    assert len(drawn) == 2
