"""Commands of operators: JSON events that people with IAM rights invoke a function with."""

from typing import Annotated, Any, TypeVar

from aws_lambda_powertools.utilities.parser import parse
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from call_agents.shared.errors import ValidationFailed
from call_agents.shared.field_errors import from_pydantic

AnyCommand = TypeVar("AnyCommand")


def not_an_api_key(value: str) -> str:
    """Refuse an API key that was pasted into the wrong field, because these fields are logged or stored."""
    if "cca_" in value:
        raise PydanticCustomError("api_key", "must not be an API key")
    return value


# Compared with a header's value, so it has to be text that can be sent in one.
WorkspaceId = Annotated[str, Field(max_length=128, pattern="^[!-~]+$"), AfterValidator(not_an_api_key)]


class Command(BaseModel):
    """What every command has. Unknown fields are refused: a misspelt lifetime would give a key that never expires."""

    model_config = ConfigDict(strict=True, extra="forbid", alias_generator=to_camel, hide_input_in_errors=True)

    workspace_id: WorkspaceId


def parse_command(event: Any, model: type[AnyCommand]) -> AnyCommand:  # noqa: ANN401 - any JSON
    """Parse a command; raise ValidationFailed with all its field errors."""
    try:
        return parse(event=event, model=model)
    except ValidationError as error:
        details = from_pydantic(error)
    raise ValidationFailed(details)
