"""Prints the OpenAPI document of the API.

python -m tests.contract.openapi > tests/contract/openapi.json
"""

import json

from agents.values import to_json
from tests.contract.openapi.document import document


def text() -> str:
    """Return the document as it is checked in."""
    return json.dumps(json.loads(to_json(document())), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    print(text(), end="")
