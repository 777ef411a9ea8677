"""Prints the OpenAPI document of the API.

python -m tests.contract.openapi > tests/contract/openapi/openapi.json
"""

import json

from call_agents.shared.json_values import to_json
from tests.contract.openapi.document import document


def text() -> str:
    """Return the document as text."""
    return json.dumps(json.loads(to_json(document())), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    print(text(), end="")
