"""Every case of the catalogue, with the real handler. `checks` has what holds for all of them.

Cases that need no fault, parallelism or count of calls run on moto; the others over HTTP, through a proxy.
"""

import base64
from collections import Counter
from typing import Any

import pytest

from call_agents.shared.json_values import canonical_json
from tests.resilience.case import Case, at, filled, load_cases, needs_proxy, steps
from tests.resilience.checks import check_always
from tests.resilience.conftest import PARALLEL, Compose
from tests.resilience.world import GetApplication, Keys, Seen, Sent, World, agent_of

CASES = load_cases()
ON_MOTO = [case for case in CASES if not needs_proxy(case)]
OVER_HTTP = [case for case in CASES if needs_proxy(case)]


def test_case_ids_are_unique() -> None:
    assert [name for name, times in Counter(case["id"] for case in CASES).items() if times > 1] == []


@pytest.mark.parametrize("case", ON_MOTO, ids=[case["id"] for case in ON_MOTO])
def test_case_on_moto(case: Case, moto_world: World, compose: Compose) -> None:
    run_case(case, moto_world, compose)


@pytest.mark.parametrize("case", OVER_HTTP, ids=[case["id"] for case in OVER_HTTP])
def test_case_over_http(case: Case, world: World, compose: Compose) -> None:
    run_case(case, world, compose)


def run_case(case: Case, world: World, compose: Compose) -> None:
    keys = world.keys()
    keys.store(case)
    app = compose(world, case.get("environment"), PARALLEL if case.get("parallel") else None)
    if case.get("parallel"):
        app()  # parallel requests share one application
    seen = world.run(steps(case), keys, app)

    for sent in seen.sent:
        check_expected(sent, keys)
    check_always(seen, keys, world)
    check_case(case, seen, keys, world)
    if "same_text_as" in case.get("expect", {}):
        assert seen.sent[0].response.text == text_of(case["expect"]["same_text_as"], world, compose(world))


def text_of(name: str, world: World, app: GetApplication) -> str:
    """Return the body of the first response of another case."""
    (other,) = [case for case in CASES if case["id"] == name]
    keys = world.keys()
    keys.store(other)
    return world.run(steps(other), keys, app).sent[0].response.text


def check_expected(sent: Sent, keys: Keys) -> None:
    """Status, code, field errors and headers are those that the case expects."""
    expect, response = sent.step["expect"], sent.response
    if "status" in expect:
        assert response.status == expect["status"], response.text
    if response.status >= 400:
        assert response.code == expect["code"]
        if "error_count" in expect:
            assert len(response.body["error"]["details"]) == expect["error_count"]
        else:
            assert response.field_errors == expect.get("errors", {})
    for name, value in expect.get("headers", {}).items():
        assert response.headers.get(name) == value
    for pointer, value in filled(expect.get("returned", {}), keys).items():
        assert same(at(response.body, pointer), value)
    assert sent.seconds < expect.get("max_seconds", sent.seconds + 1)


def same(one: object, other: object) -> bool:
    """Compare as JSON does: 1 is not true, and 1.0 is 1."""
    return one is not ... and canonical_json(one) == canonical_json(other)


def check_case(case: Case, seen: Seen, keys: Keys, world: World) -> None:
    """What the case expects of all its requests together."""
    expect = case.get("expect", {})
    responses = [sent.response for sent in seen.sent]
    agents = {(response.body["workspaceId"], response.body["_id"]) for response in responses if response.status == 201}
    assert len(seen.items) == expect.get("items", len(agents))
    if "statuses" in expect:
        assert Counter(str(response.status) for response in responses) == expect["statuses"]
    if "agents" in expect:
        assert len(agents) == expect["agents"]
    if "replayed" in expect:
        assert sum("Idempotent-Replayed" in response.headers for response in responses) == expect["replayed"]
    if "calls" in expect:
        counts = Counter(call.operation for call in seen.calls)
        assert {name: counts[name] for name in expect["calls"]} == expect["calls"]
    for name, value in expect.get("log", {}).items():
        assert seen.lines[-1].get(name) == value, seen.lines[-1]
    assert world.unused == expect.get("unused_faults", [])
    assert seen.items or not expect.keys() & {"stored", "not_stored", "absent"}
    for item in seen.items:
        check_stored(expect, item, keys)


def check_stored(expect: dict[str, Any], item: dict[str, Any], keys: Keys) -> None:
    agent = agent_of(item)
    for pointer, value in filled(expect.get("stored", {}), keys).items():
        assert same(at(agent, pointer), value)
    for pointer, value in filled(expect.get("not_stored", {}), keys).items():
        assert at(agent, pointer) is not ...
        assert not same(at(agent, pointer), value)
    for name in expect.get("absent", []):
        assert name not in item


def test_secrets_are_decrypted_for_their_agent_only(world: World, compose: Compose) -> None:
    keys = world.keys()
    keys.store({})
    byo = {"provider": "11labs_byo", "voiceId": "voice-1", "elevenLabsApiKey": "{{ELEVENLABS_KEY}}"}
    (item,) = world.run([{"set": {"/ttsModel": byo}}], keys, compose(world)).items
    ciphertext = base64.b64decode(item["ttsModel"]["M"]["elevenLabsApiKey"]["S"].removeprefix("encrypted:"))
    kms = world.clients.kms
    context = {"workspaceId": keys["WORKSPACE"], "agentId": item["_id"]["S"]}

    decrypted = kms.decrypt(CiphertextBlob=ciphertext, EncryptionContext=context)
    assert decrypted["Plaintext"].decode() == keys["ELEVENLABS_KEY"]
    for other in ({**context, "agentId": "0" * 24}, {**context, "workspaceId": "another"}, {}):
        with pytest.raises(kms.exceptions.InvalidCiphertextException):
            kms.decrypt(CiphertextBlob=ciphertext, EncryptionContext=other)
