"""Production validates as the models say, though it never sees them."""

import json
from copy import deepcopy
from decimal import Decimal
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from pydantic_core import SchemaValidator, ValidationError

from agents.models import CreateAgentRequest
from agents.request_schema import CREATE_AGENT_REQUEST
from agents.values import parse_json
from tests import conftest
from tests.request_schema import TARGET, generate

MODELS = TypeAdapter(CreateAgentRequest).validator
SCHEMA = SchemaValidator(CREATE_AGENT_REQUEST)

# As the function reads them: a fraction is a Decimal.
EXAMPLE, MINIMUM, BYO = (parse_json(json.dumps(body)) for body in (conftest.EXAMPLE, conftest.MINIMUM, conftest.BYO))

_SCALARS: st.SearchStrategy[Any] = st.none() | st.booleans() | st.integers(-5, 200) | st.text(max_size=5)
_SCALARS |= st.decimals(-3, 3, places=2) | st.sampled_from(
    [
        Decimal("NaN"),
        Decimal("Infinity"),
        0.5,
        10**40,
        "",
        " ",
        " a ",
        "en",
        "en-US",
        "English",
        "é",
        "\ud800",
        "voice",
        "rime",
        "11labs_byo",
        "x" * 128,
        "x" * 129,
        "x" * 256,
        "x" * 257,
        "x" * 513,
    ]
)
_LIMITS = st.sampled_from([0, 1, 128, 129, 256, 257, 512, 513]).map("x".__mul__)
_ANY = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def _object(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Make objects that lack any of the members, or have any other instead, or one more."""
    known = st.fixed_dictionaries({}, optional={name: good | _ANY for name, good in members.items()})
    extra = st.dictionaries(st.text(max_size=5), _ANY, max_size=1)
    return st.builds(lambda one, other: {**one, **other}, known, extra)


_TTS = _object(
    provider=st.sampled_from(["rime", "11labs_byo", "openai"]),
    voiceId=_LIMITS,
    language=st.sampled_from(["en", "de-CH", "x-private"]) | _LIMITS,
    name=st.just("Sophie"),
    elevenLabsApiKey=_LIMITS,
)
_GAP = _object(days=st.integers(-1, 31), hours=st.integers(-1, 24))
_LEVEL = st.integers(-1, 3) | st.decimals(-1, 3, places=1)
_BODY = _object(
    name=_LIMITS,
    type=st.just("voice"),
    ttsModel=_TTS,
    llmModel=_LIMITS,
    smartCallback=st.booleans(),
    maxAttemptsForSmartCallback=st.integers(0, 101),
    gapBetweenEachAttemptForSmartCallback=st.lists(_GAP, max_size=3) | st.lists(st.just({}), min_size=99, max_size=102),
    phoneNumberIds=st.lists(st.text(max_size=3), max_size=4) | st.just([str(index) for index in range(101)]),
    settings=_object(speed=_LEVEL, volume=_LEVEL, temperature=_LEVEL),
    variables=st.dictionaries(st.text(max_size=5), _ANY, max_size=3),
)


def _places(value: Any) -> list[tuple[Any, Any]]:
    """List every member and element of a body, by what it stands in and where."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, child in list(children) for found in ((value, key), *_places(child))]


@st.composite
def _mutated(draw: st.DrawFn) -> Any:
    """Take a valid body and delete or replace one thing in it: what is all wrong would only show its first fault."""
    body = deepcopy(draw(st.sampled_from([EXAMPLE, MINIMUM, BYO])))
    parent, key = draw(st.sampled_from(_places(body)))
    if draw(st.booleans()):
        del parent[key]
    else:
        parent[key] = draw(_LIMITS | _ANY)
    return body


def _outcome(validator: Any, body: Any) -> tuple[str, Any]:
    """Return what is told of a body; as text too, in which 1 is not True and 1.0 is not 1."""
    try:
        value = validator.validate_python(body)
    except ValidationError as error:
        return "refused", [(line["type"], line["loc"], line["msg"]) for line in error.errors(include_input=False)]
    return "taken", repr(value)


def test_the_schema_is_the_one_that_the_models_make() -> None:
    assert TARGET.read_text("utf-8") == generate()


@given(_BODY | _mutated() | _ANY)
@example(EXAMPLE)
@example(MINIMUM)
@example(BYO)
@example([])
@example({"name": "Sophie", "ttsModel": {"provider": "openai", "voiceId": "alloy", "elevenLabsApiKey": "x"}})
@settings(max_examples=500, deadline=None)  # no deadline: the first example builds the strategies
def test_the_schema_takes_and_refuses_what_the_models_do_and_says_the_same_of_it(body: Any) -> None:
    assert _outcome(SCHEMA, body) == _outcome(MODELS, body)


def test_the_comparison_can_tell_the_two_outcomes() -> None:
    bodies: list[Any] = [EXAMPLE, MINIMUM, BYO, {}, [], {**MINIMUM, "llmModel": 1}]
    kinds = [_outcome(SCHEMA, body)[0] for body in bodies]

    assert kinds == ["taken"] * 3 + ["refused"] * 3
