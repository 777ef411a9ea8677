"""Run the functions on this machine, with nothing but Python."""

import argparse
import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from botocore.exceptions import BotoCoreError

import create_agent
import manage_api_keys
from tests.local import aws
from tests.local.gateway import Context, make_gateway
from tests.local.template import load_template

EXAMPLE_BODY = '{"name":"Sophie","ttsModel":{"provider":"rime"},"llmModel":"gpt-4o","settings":{"speed":0.8}}'


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    options = _parser().parse_args(arguments)
    # Standard output is for answers. The functions print their logs, as Lambda wants it, so those go to the other one.
    out, sys.stdout = sys.stdout, sys.stderr
    try:
        status: int = options.run(options, out)
    except (aws.PortInUseError, BotoCoreError, OSError, ValueError) as error:
        print(f"tests.local: {error}", file=sys.stderr)
        return 2
    finally:
        sys.stdout = out
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.local", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    invoke = commands.add_parser("invoke", help="run a function with each event in turn and print the answers")
    invoke.add_argument("events", nargs="+", type=Path, metavar="EVENT", help="a JSON file, as those in events/")
    invoke.add_argument("--endpoint-url", metavar="URL", help="use the DynamoDB and KMS there, not the embedded ones")
    invoke.set_defaults(run=_invoke, aws_port=None, rate_limit=None)
    serve = commands.add_parser("serve", help="serve the API over HTTP until Ctrl-C")
    serve.add_argument("--port", type=int, default=3000, help="of the API (default: 3000; 0: any that is free)")
    where = serve.add_mutually_exclusive_group()
    where.add_argument("--endpoint-url", metavar="URL", help="use the DynamoDB and KMS there, not the embedded ones")
    where.add_argument("--aws-port", type=int, help="listen with the embedded AWS on this port too, for sam local")
    serve.add_argument(
        "--rate-limit",
        type=_count,
        metavar="N",
        help="requests a minute for each key (default: the template's; 0: any)",
    )
    serve.set_defaults(run=_serve)
    return parser


def _count(text: str) -> int:
    """Read a whole number, 0 or more; argparse tells what was wrong."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError("must be 0 or a whole number above it")
    return int(text)


def _set_up(options: argparse.Namespace) -> None:
    """Make AWS ready and put the functions' environment in place, as the template has it."""
    aws.use_local_credentials()
    endpoint_url = options.endpoint_url or _embedded(options.aws_port)
    limit = {} if options.rate_limit is None else {"RateLimitPerMinute": str(options.rate_limit)}
    template = load_template(EndpointUrl=endpoint_url, **limit)
    clients = aws.connect(endpoint_url)
    aws.create_resources(template, clients)
    aws.admit_test_keys(template, clients)
    for function in template.resources("AWS::Serverless::Function"):
        os.environ.update(template.environment(function))


def _embedded(port: int | None) -> str:
    # A container reaches this machine by its network address, so with a port the server listens on all of them.
    return aws.start_embedded() if port is None else aws.start_embedded("0.0.0.0", port)  # noqa: S104 - see above


def _invoke(options: argparse.Namespace, out: TextIO) -> int:
    events = [json.loads(path.read_text(encoding="utf-8")) for path in options.events]
    _set_up(options)
    answers = [_run(event) for event in events]
    for answer in answers:
        print(json.dumps(answer, indent=2, ensure_ascii=False), file=out)
    return 0 if all(200 <= answer["statusCode"] < 300 for answer in answers) else 1


def _run(event: object) -> dict[str, Any]:
    """Run the function that an event is for: an operator's command has an action."""
    function = manage_api_keys if isinstance(event, dict) and "action" in event else create_agent
    result = function.handler(event, Context())
    body = result["body"]
    return {
        "statusCode": result["statusCode"],
        "headers": result.get("headers", {}),
        "body": json.loads(body) if isinstance(body, str) else body,
    }


def _serve(options: argparse.Namespace, out: TextIO) -> int:
    route = load_template().route("CreateAgentFunction")
    server = make_gateway(create_agent.handler, route, "127.0.0.1", options.port)
    _set_up(options)
    command = {"action": "issue", "workspaceId": aws.WORKSPACE_ID, "userId": aws.USER_ID, "name": "local run"}
    key = manage_api_keys.handler(command, Context())["body"]["key"]
    url = f"http://127.0.0.1:{server.server_port}{route[1]}"
    with suppress(KeyboardInterrupt):  # Ctrl-C is how it is meant to end
        print(f"POST {url}", f"x-api-key: {key}", f"x-workspace-id: {aws.WORKSPACE_ID}", sep="\n", file=out)
        print(f"\nTry it (Ctrl-C stops the server):\n\n{curl(url, key)}\n", file=out, flush=True)
        server.serve_forever()
    return 0


def curl(url: str, key: str) -> str:
    """Return a command line that creates an agent."""
    headers = f"-H 'x-api-key: {key}' -H 'x-workspace-id: {aws.WORKSPACE_ID}' -H 'content-type: application/json'"
    return f"curl -sS {url} {headers} -d '{EXAMPLE_BODY}'"


if __name__ == "__main__":
    sys.exit(main())
