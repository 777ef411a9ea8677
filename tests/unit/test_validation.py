"""What cannot be seen from outside: a valid request hides its secret, and a body is not changed."""

from copy import deepcopy

from call_agents.agents.validation import validate
from call_agents.shared.config import AllowedValues
from tests.support.samples import BYO, ELEVENLABS_KEY

ANY = AllowedValues(llm_models=(), tts_providers=("11labs_byo",))


def test_neither_fields_nor_repr_hold_the_secret() -> None:
    request = validate(BYO, ANY, strict=False)

    assert request.secret == ELEVENLABS_KEY
    assert ELEVENLABS_KEY not in repr(request) + str(request.fields)


def test_the_body_is_not_changed() -> None:
    body = deepcopy(BYO)
    validate(body, ANY, strict=True)

    assert body == BYO
