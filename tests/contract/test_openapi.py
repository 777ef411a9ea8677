"""The OpenAPI document is made from the code, is valid, and describes the real responses."""

import json
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from call_agents.shared.errors import ApiError, Conflict, MethodNotAllowed, NotFound
from tests.contract.openapi.__main__ import text
from tests.support.client import Client
from tests.support.samples import BYO, EXAMPLE, MINIMUM
from tests.support.template import ROOT

CHECKED_IN = (ROOT / "tests/contract/openapi/openapi.json").read_text("utf-8")
DOCUMENT: dict[str, Any] = json.loads(CHECKED_IN)
OPERATION = DOCUMENT["paths"]["/v1/api/agents"]["post"]


def conforms(value: object, schema: str) -> bool:
    whole = {"$ref": f"#/components/schemas/{schema}", "components": DOCUMENT["components"]}
    return bool(OAS31Validator(whole).is_valid(value))


def test_the_document_is_up_to_date() -> None:
    assert text() == CHECKED_IN


def test_the_document_is_valid() -> None:
    assert list(OpenAPIV31SpecValidator(DOCUMENT).iter_errors()) == []


def test_every_part_has_a_description() -> None:
    assert all(response["description"] for response in OPERATION["responses"].values())
    for schema in DOCUMENT["components"]["schemas"].values():
        for name, member in schema.get("properties", {}).items():
            assert "description" in member or name == "error"


def codes(error: type[ApiError]) -> set[tuple[int, str]]:
    own = {(error.status, error.code)} if "code" in vars(error) else set()
    return own.union(*map(codes, error.__subclasses__()))


def test_every_error_has_its_code_and_an_example() -> None:
    described = {
        (int(status), code): response["content"]["application/json"]["examples"]
        for status, response in OPERATION["responses"].items()
        if status != "201"
        for code in DOCUMENT["components"]["schemas"][f"Error{status}"]["properties"]["error"]["properties"]["code"][
            "enum"
        ]
    }

    assert described.keys() == codes(ApiError) - codes(Conflict) - codes(NotFound) - codes(MethodNotAllowed)
    for (_, code), examples in described.items():
        assert examples[code]["value"]["error"]["code"] == code
        assert examples[code]["value"]["message"]


@pytest.mark.parametrize("status", OPERATION["responses"])
def test_every_example_conforms_to_its_schema(status: str) -> None:
    media = OPERATION["responses"][status]["content"]["application/json"]
    name = media["schema"]["$ref"].rpartition("/")[2]

    assert media["examples"]
    assert all(conforms(example["value"], name) for example in media["examples"].values())


@pytest.mark.parametrize("example", OPERATION["requestBody"]["content"]["application/json"]["examples"].values())
def test_every_example_creates_an_agent(client: Client, example: dict[str, Any]) -> None:
    response = client.post(example["value"])

    assert response.status == 201
    assert conforms(json.loads(response.text), "AgentResponse")


TOO_LARGE = {**MINIMUM, "variables": {"numbers": [10**36] * 25_000}}
REUSED: dict[str, str | None] = {"idempotency-key": "described"}


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (201, EXAMPLE, {}),
        (201, BYO, {"prefer": "handling=strict"}),
        (400, {}, {"prefer": "handling=strict"}),
        (400, "{", {}),
        (400, {**MINIMUM, "name": 5}, {}),
        (400, MINIMUM, {"x-workspace-id": None}),
        (400, MINIMUM, {"idempotency-key": ""}),
        (401, MINIMUM, {"x-api-key": None}),
        (401, MINIMUM, {"x-api-key": "nonsense"}),
        (403, MINIMUM, {"x-workspace-id": "another"}),
        (413, "x" * 300_000, {}),
        (413, TOO_LARGE, {}),
        (415, MINIMUM, {"content-type": "text/plain"}),
        (422, MINIMUM, REUSED),
    ],
)
def test_responses_are_as_described(client: Client, status: int, body: object, headers: dict[str, str | None]) -> None:
    client.post(EXAMPLE, REUSED)
    response = client.post(body, headers)
    assert response.status == status
    description = OPERATION["responses"][str(response.status)]
    described = description["headers"]

    assert conforms(
        json.loads(response.text), description["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    )
    assert {name for name in described if described[name].get("required")} <= set(response.headers)
    assert set(response.headers) <= {*described, "Content-Type"}


@pytest.mark.parametrize(
    ("change", "is_valid"),
    [
        ({}, True),
        ({"name": "  A  "}, True),
        ({"name": " " * 300 + "A"}, True),
        ({"name": "x" * 256}, True),
        ({"name": "x" * 257}, False),
        ({"name": "  "}, False),
        ({"ttsModel": {"provider": "openai"}}, False),
        ({"ttsModel": {"provider": "rime", "language": "de-CH-1901"}}, True),
        ({"ttsModel": {"provider": "rime", "language": "german"}}, False),
        ({"ttsModel": {"provider": "rime", "elevenLabsApiKey": "k"}}, False),
        ({"ttsModel": {"provider": "11labs_byo", "voiceId": "v"}}, False),
        ({"ttsModel": {"provider": "11labs_byo", "voiceId": "v", "elevenLabsApiKey": "k"}}, True),
        ({"ttsModel": {"provider": "11labs_byo", "voiceId": "v", "elevenLabsApiKey": "k k"}}, False),
        ({"llmModel": "gpt-5"}, False),
        ({"phoneNumberIds": ["a", "a"]}, False),
        ({"gapBetweenEachAttemptForSmartCallback": [{"days": 31}]}, False),
        ({"settings": {"speed": 2}}, True),
        ({"settings": {"speed": 2.01}}, False),
        ({"settings": {"speed": 1e-200}}, False),
        ({"variables": {"a": [None, True, "x", 0, -1e-100, {"b": 1e37}]}}, True),
        ({"variables": {"": 1}}, False),
        ({"variables": {"a": {"": 1}}}, False),
        ({"other": 1e38}, False),
        ({"other": [1e-131]}, False),
        ({"_id": "ignored", "__v": 0}, True),
    ],
)
def test_document_and_function_agree_on_what_is_valid(client: Client, change: dict[str, Any], is_valid: object) -> None:
    body = {**MINIMUM, **change}

    assert conforms(body, "CreateAgentRequest") is is_valid
    assert client.post(body).status == (201 if is_valid else 400)
