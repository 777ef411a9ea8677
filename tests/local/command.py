"""The command line that runs the functions on this machine."""

import argparse
import json
import os
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from botocore.exceptions import BotoCoreError, ClientError

import create_agent
import get_agent
import manage_api_keys
import publish_agent_events
import retry_agents
from call_agents.agents.store import agent_from_item
from call_agents.shared.http import AGENTS_PATH
from call_agents.shared.json_values import to_json
from call_agents.shared.suggestions import closest
from tests.local import aws, docs, elevenlabs, events, terminal
from tests.local.gateway import gateway, listen
from tests.local.queue import ActivationQueue
from tests.local.stream import EventSourceMapping
from tests.support.events import LambdaContext
from tests.support.template import ROOT, load_template

EXAMPLE_BODY = '{"name":"Sophie","ttsModel":{"provider":"rime"},"llmModel":"gpt-4o","settings":{"speed":0.8}}'

_HANDLERS = {"CreateAgentFunction": create_agent.handler, "GetAgentFunction": get_agent.handler}

_INTERRUPTED = 130  # as a shell says it

_INVOKE = """
examples:
  %(prog)s events/create_agent.json
  %(prog)s events/create_agent_idempotent.json events/create_agent_idempotent.json
  %(prog)s events/issue_api_key.json | jq -r .body.key

Responses go to standard output, logs to standard error: complete in a file or a pipe, shortened in a terminal.
The exit status is 0 when every response is 2xx, 1 when one is not, and 2 when nothing could be run.
"""

_SERVE = """
examples:
  %(prog)s                        then open http://127.0.0.1:3000/docs
  %(prog)s --port 8080 --rate-limit 0
  %(prog)s --aws-port 5001        for the containers of sam local
"""


_AGENT = f"""
example:
  %(prog)s {aws.WORKSPACE_ID} 18f08d310f99e41644a64ab6

An agent with provider 11labs_byo is pending until its key was tried, here at an ElevenLabs that runs on this machine.
Its ttsModel.voiceId decides the result: {", ".join(elevenlabs.RESULTS)} or slow; any other voice is found.
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    options = _parser().parse_args(arguments)
    # Standard output is for responses. The functions print their logs to it, as Lambda expects, so it is replaced.
    out, sys.stdout = sys.stdout, terminal.log_stream(sys.stderr)
    try:
        status: int = options.run(options, out)
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code")
        print(f"tests.local: {options.endpoint_url} does not work like DynamoDB and KMS: {code}.", file=sys.stderr)
        return 2
    except (aws.PortError, BotoCoreError, OSError, ValueError) as error:
        print(f"tests.local: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return _INTERRUPTED
    finally:
        sys.stdout = out
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.local",
        description="Run the functions on this machine, with nothing but Python.",
        epilog="COMMAND --help shows examples.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_invoke(commands)
    _add_serve(commands)
    _add_agent(commands)
    return parser


def _add_invoke(commands: Any) -> None:
    invoke = _command(commands, "invoke", "run a function with each event in turn and print the responses", _INVOKE)
    invoke.add_argument("events", nargs="+", type=Path, metavar="EVENT", help="a JSON file, as those in events/")
    invoke.add_argument(
        "--endpoint-url", metavar="URL", help="use the DynamoDB and KMS there instead of the embedded ones"
    )
    invoke.set_defaults(run=_invoke, aws_port=None, rate_limit=None)


def _add_serve(commands: Any) -> None:
    serve = _command(commands, "serve", "serve the API over HTTP, and a page to try it, until Ctrl-C", _SERVE)
    serve.add_argument("--port", type=_port, default=3000, help="of the API (default: 3000; 0: any that is free)")
    where = serve.add_mutually_exclusive_group()
    where.add_argument(
        "--endpoint-url", metavar="URL", help="use the DynamoDB and KMS there instead of the embedded ones"
    )
    where.add_argument(
        "--aws-port",
        type=_port,
        metavar="PORT",
        help="let the embedded AWS listen on this port of all networks, for sam local",
    )
    serve.add_argument(
        "--rate-limit",
        type=_count,
        metavar="N",
        help="requests a minute for each key (default: the template's; 0: any)",
    )
    serve.set_defaults(run=_serve)


def _add_agent(commands: Any) -> None:
    agent = _command(commands, "agent", "print an agent as it is stored, to see its status", _AGENT)
    agent.add_argument("workspace", metavar="WORKSPACE", help="the agent's workspaceId")
    agent.add_argument("id", metavar="ID", help="the agent's _id")
    agent.add_argument(
        "--endpoint-url",
        metavar="URL",
        default=aws.DEFAULT_URL,
        help="where the DynamoDB is (default: %(default)s, that of serve)",
    )
    agent.set_defaults(run=_agent)


def _command(commands: Any, name: str, summary: str, examples: str) -> argparse.ArgumentParser:
    form = argparse.RawDescriptionHelpFormatter
    command: argparse.ArgumentParser = commands.add_parser(
        name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.", epilog=examples, formatter_class=form
    )
    return command


def _count(text: str) -> int:
    """Parse a whole number, 0 or more."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError("must be 0 or a whole number above it")
    return int(text)


def _port(text: str) -> int:
    """Parse a port, or 0 for any."""
    if not text.isdecimal() or int(text) > aws.LAST_PORT:
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 to {aws.LAST_PORT}")
    return int(text)


def _set_up(options: argparse.Namespace, out: TextIO | None = None) -> tuple[EventSourceMapping, ActivationQueue]:
    """Prepare AWS and the functions' environment, as the template has it; return what leads to activation."""
    aws.use_local_credentials()
    endpoint_url = options.endpoint_url = options.endpoint_url or _embedded(options)
    limit = {} if options.rate_limit is None else {"RateLimitPerMinute": str(options.rate_limit)}
    template = load_template(ElevenLabsUrl=elevenlabs.start(), **limit)
    clients = aws.connect(endpoint_url)
    aws.create_resources(template, clients)
    aws.admit_test_keys(template, clients)
    for function in template.resources("AWS::Serverless::Function"):
        os.environ.update(template.environment(function))
    os.environ["ENDPOINT_URL"] = endpoint_url
    queue = ActivationQueue(template)
    bus = events.local_bus(queue, out)
    publisher = partial(publish_agent_events.handle, get_bus=lambda: bus)
    mapping = EventSourceMapping(template, "PublishAgentEventsFunction", publisher, endpoint_url)
    mapping.poll()
    return mapping, queue


def _embedded(options: argparse.Namespace) -> str:
    if options.aws_port is not None:
        # A container reaches this machine by its network address, so the server listens on all of them.
        return aws.start_embedded("0.0.0.0", options.aws_port)  # noqa: S104 - see above
    if options.run is _serve and options.port:
        with suppress(aws.PortError):  # another server may have it
            return aws.start_embedded(port=aws.DEFAULT_PORT)
    return aws.start_embedded()


def _invoke(options: argparse.Namespace, out: TextIO) -> int:
    sent = [_read(path) for path in options.events]
    mapping, queue = _set_up(options)
    results = []
    for event in sent:
        results.append(_run(event))
        mapping.poll()
        queue.deliver()
    for result in results:
        print(_shown(result, out), file=out)
    return 0 if all(200 <= result["statusCode"] < 300 for result in results) else 1


def _read(path: Path) -> object:
    """Read an event; raise ValueError with what a person can do about it."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        samples = [str(sample.relative_to(ROOT)) for sample in sorted((ROOT / "events").iterdir())]
        meant = closest(str(path), samples)
        hint = f"Did you mean {meant}?" if meant else "There are samples in events/."
        raise ValueError(f"{path} cannot be read: {error.strerror}. {hint}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text, and an event is JSON.") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON that can be read: {error}.") from None


def _run(event: object) -> dict[str, Any]:
    """Run the function that an event is for, which its members show."""
    members = event if isinstance(event, dict) else {}
    if "action" in members:
        handler = manage_api_keys.handler
    elif "workspaceId" in members:
        handler = retry_agents.handler
    elif str(members.get("rawPath", "")).startswith(f"{AGENTS_PATH}/"):
        handler = get_agent.handler
    else:
        handler = create_agent.handler
    result = handler(event, LambdaContext())
    body = result["body"]
    return {
        "statusCode": result["statusCode"],
        "headers": result.get("headers", {}),
        "body": json.loads(body) if isinstance(body, str) and body else body,
    }


def _shown(result: dict[str, Any], out: TextIO) -> str:
    status = result["statusCode"]
    return json.dumps(result, indent=2, ensure_ascii=False).replace(
        str(status), terminal.coloured(str(status), status, out), 1
    )


def _serve(options: argparse.Namespace, out: TextIO) -> int:
    if options.port and options.port == options.aws_port:
        raise ValueError("The API and the embedded AWS cannot share a port: choose two.")
    aws.check_port("127.0.0.1", options.port)
    for started in _set_up(options, out):
        started.start()
    command = {"action": "issue", "workspaceId": aws.WORKSPACE_ID, "userId": aws.USER_ID, "name": "local run"}
    key = manage_api_keys.handler(command, LambdaContext())["body"]["key"]
    api = gateway({path: _HANDLERS[function] for path, function in load_template().routes.items()})
    server = listen(docs.with_docs(api, key), "127.0.0.1", options.port)
    with suppress(KeyboardInterrupt):  # Ctrl-C stops it
        print(_how_to_call(f"http://127.0.0.1:{server.server_port}", key, options.endpoint_url), file=out, flush=True)
        server.serve_forever()
    return 0


def _how_to_call(here: str, key: str, endpoint_url: str) -> str:
    url = f"{here}{AGENTS_PATH}"
    elsewhere = "" if endpoint_url == aws.DEFAULT_URL else f" --endpoint-url {endpoint_url}"
    return (
        f"POST {url}\nx-api-key: {key}\nx-workspace-id: {aws.WORKSPACE_ID}\n\n"
        f"Try it in a browser: {here}{docs.PATH}\n"
        f"Or in another terminal (Ctrl-C stops the server):\n\n{curl(url, key)}\n\n"
        f"Read it back, with the _id of the response:\n\n{curl_get(url, key)}\n\n"
        f"See how it is stored:\n\n.venv/bin/python -m tests.local agent WORKSPACE ID{elsewhere}\n\n"
        "Events of agents, as they happen:"
    )


def _agent(options: argparse.Namespace, out: TextIO) -> int:
    aws.use_local_credentials()
    table = load_template().environment("CreateAgentFunction")["AGENTS_TABLE"]
    key = {"workspaceId": {"S": options.workspace}, "_id": {"S": options.id}}
    item = (
        aws.connect(options.endpoint_url).dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item")
    )
    if item is None:
        raise ValueError(f"There is no agent {options.id} in workspace {options.workspace}.")
    agent = json.loads(to_json(agent_from_item(dict(item)).body()))
    print(json.dumps(agent, indent=2, ensure_ascii=False), file=out)
    return 0


def curl(url: str, key: str) -> str:
    """Return a command line that creates an agent."""
    return f"curl -sS {url} {_headers(key)} -H 'content-type: application/json' -d '{EXAMPLE_BODY}'"


def curl_get(url: str, key: str) -> str:
    """Return a command line that reads an agent."""
    return f"curl -sS {url}/ID {_headers(key)}"


def _headers(key: str) -> str:
    return f"-H 'x-api-key: {key}' -H 'x-workspace-id: {aws.WORKSPACE_ID}'"
