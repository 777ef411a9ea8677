"""The body as a whole: JSON that survives unchanged, what the database cannot hold, sizes, and what is not JSON."""

import json
from decimal import Decimal

import pytest

from tests.support.client import Client, Stage
from tests.support.http import HttpResponse
from tests.support.samples import MINIMUM

FREE = (
    '{"s":"","n":1,"f":1.5,"d":0.30000000000000004,"big":%s,"t":true,"z":null,"a":[1,"x",null,[],{}],'
    '"o":{"k":{"v":[]}},"typed":{"S":"x"},"status":"a","a.b":"c","#y":":z","ключ":"🔑","__proto__":{"x":1}}'
    % ("9" * 38)
)


@pytest.mark.parametrize("field", ["settings", "variables", "pathway"])
def test_free_json_survives_unchanged(client: Client, stage: Stage, field: str) -> None:
    response = client.post(json.dumps(MINIMUM)[:-1] + f',"{field}":{FREE}}}')
    free = json.loads(FREE, parse_float=Decimal)

    assert response.status == 201
    assert response.body[field] == free
    assert [agent[field] for agent in stage.stored] == [free]
    assert '"d":0.30000000000000004' in response.text


UNSTORABLE = [
    ("NaN", ".x", "not_finite"),
    ("-Infinity", ".x", "not_finite"),
    ("1e999999999999999999999", ".x", "not_finite"),
    ("1e38", ".x", "number_out_of_range"),
    ("-1e38", ".x", "number_out_of_range"),
    ("9" * 39, ".x", "number_out_of_range"),
    ("9" * 5000, ".x", "number_out_of_range"),
    ("1e-131", ".x", "number_out_of_range"),
    ("1." + "1" * 38, ".x", "too_many_digits"),
    ('"\\ud800"', ".x", "not_unicode"),
    ('{"a":[0,{"\\udc00":1}]}', ".x.a[1].�", "not_unicode"),
    ('{"":1}', ".x", "empty_name"),
    ('{"' + "k" * 65_536 + '":1}', ".x." + "k" * 64 + "…", "name_too_long"),
    ('{"' + "é" * 32_768 + '":1}', ".x." + "é" * 64 + "…", "name_too_long"),
    ('{"a":1,"b":2,"a":3}', ".x.a", "repeated_member"),
]
"""JSON of a value, the path of its field error, and the code."""


@pytest.mark.parametrize("field", ["settings", "variables", "pathway"])
def test_what_dynamodb_cannot_hold_is_refused(client: Client, stage: Stage, field: str) -> None:
    def post(value: str) -> dict[str, str]:
        return client.post(json.dumps(MINIMUM)[:-1] + f',"{field}":{{"x":{value}}}}}').field_errors

    assert [post(value) for value, _, _ in UNSTORABLE] == [{field + path: code} for _, path, code in UNSTORABLE]
    assert stage.items == []


def test_limits_of_dynamodb_are_accepted(client: Client, stage: Stage) -> None:
    numbers = f"{'9' * 38},-1e37,1e-130,0.{'1' * 38}"
    long = "k" * 65_535
    limits = f'[{numbers},{{"{long}":0}},"\\ud83d\\ude00"]'
    response = client.post(json.dumps(MINIMUM)[:-1] + f',"variables":{{"x":{limits}}}}}')

    assert response.status == 201
    assert response.body["variables"]["x"] == json.loads(limits, parse_float=Decimal)
    assert stage.stored == [response.body]


@pytest.mark.parametrize("field", ["settings", "variables", "pathway"])
def test_values_may_be_nested_30_levels_deep(client: Client, stage: Stage, field: str) -> None:
    def nested(depth: int) -> str:
        inner = "[" * (depth - 1) + "1" + "]" * (depth - 1)
        return json.dumps(MINIMUM)[:-1] + f',"{field}":{{"m":{inner}}}}}'

    assert client.post(nested(30)).status == 201
    refused = client.post(nested(31))
    assert (refused.status, list(refused.field_errors.values())) == (400, ["too_deep"])
    assert len(stage.items) == 1


def test_a_body_may_have_10_000_values(client: Client, stage: Stage) -> None:
    def post(values: str, count: int) -> HttpResponse:
        others = 6  # the body, name, ttsModel, provider, x, variables
        listed = ",".join([values] * (count - others))
        return client.post(json.dumps(MINIMUM)[:-1] + f',"x":1,"variables":[{listed}]}}'.replace("variables", "free"))

    refused = [post(values, 10_001) for values in ("1", "[]", "{}", "1e37")]
    assert {(response.status, str(response.field_errors)) for response in refused} == {
        (400, "{'free': 'too_many_values'}")
    }
    assert stage.items == []
    assert [post(values, 10_000).status for values in ("1e37", "[]")] == [201, 201]


def test_body_may_have_256_kib(client: Client, stage: Stage) -> None:
    text = json.dumps(MINIMUM)
    response = client.post(text + " " * (262_145 - len(text)))

    assert (response.status, response.code) == (413, "payload_too_large")
    assert stage.items == []
    assert client.post(text + " " * (262_144 - len(text))).status == 201


NOT_AN_AGENT = {
    None: "There is no body.",
    "": "There is no body.",
    "{": "The body is not JSON: there is a mistake at line 1, column 2.",
    '{"name":"A\nB"}': "The body is not JSON: there is a mistake at line 1, column 11. "
    "In a string, a line break must be written \\n.",
    "{'name':'A'}": "The body is not JSON: there is a mistake at line 1, column 2.",
    "\ufeff{}": "The body starts with a byte order mark, which JSON does not allow.",
    "[" * 100_000: "The body is nested too deeply.",
    "[]": "The body is JSON, but not an object.",
    '"{}"': "The body is JSON, but not an object.",
    "null": "The body is JSON, but not an object.",
}
"""Bodies, and what is said about them."""


def test_what_is_not_a_json_object_is_400(client: Client, stage: Stage) -> None:
    responses = {body: client.post(body) for body in NOT_AN_AGENT}

    assert {(response.status, response.code) for response in responses.values()} == {(400, "invalid_json")}
    assert {body: response.body["message"] for body, response in responses.items()} == {
        body: f"{problem} Send the agent as one JSON object, encoded in UTF-8."
        for body, problem in NOT_AN_AGENT.items()
    }
    assert stage.items == []


def test_duplicate_keys_are_refused(client: Client, stage: Stage) -> None:
    response = client.post('{"name":"A","name":"B","ttsModel":{"provider":"rime","provider":"openai"}}')

    assert (response.status, response.code) == (400, "validation_error")
    assert response.field_errors["name"] == response.field_errors["ttsModel.provider"] == "repeated_member"
    assert stage.items == []
