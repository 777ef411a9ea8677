"""The command line that runs the functions on this machine."""

import argparse
import json
import os
import re
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError

import activate_agent
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
from tests.local.gateway import Handler, gateway, listen, serve_until_interrupted
from tests.local.queue import ActivationQueue
from tests.local.stream import EventSourceMapping, matches
from tests.support.events import LambdaContext
from tests.support.template import ROOT, load_template

_PROGRAM = ".venv/bin/python -m tests.local"

EXAMPLE_BODY = '{"name":"Sophie","ttsModel":{"provider":"rime"},"llmModel":"gpt-4o","settings":{"speed":0.8}}'

_HANDLERS = {"CreateAgentFunction": create_agent.handler, "GetAgentFunction": get_agent.handler}

_PARAMETERS = {
    "--rate-limit": ("RateLimitPerMinute", "N", "requests a minute for each key (default: the template's; 0: any)"),
    "--llm-models": ("AllowedLlmModels", "LIST", "allowed values of llmModel, with commas between them ('': any)"),
    "--tts-providers": ("AllowedTtsProviders", "LIST", "allowed values of ttsModel.provider, with commas between them"),
}
"""Options that set a parameter of the template."""

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
  %(prog)s --port 8080 --rate-limit 0 --llm-models ''
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
    except (aws.PortError, BotoCoreError, ClientError, OSError, ValueError) as error:
        print(f"tests.local: {_problem(error, options)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return _INTERRUPTED
    finally:
        sys.stdout = out
    return status


def _problem(error: Exception, options: argparse.Namespace) -> str:
    """Say what went wrong, and what a person can do."""
    if isinstance(error, ClientError):
        code = error.response.get("Error", {}).get("Code")
        return f"{options.endpoint_url} does not work like DynamoDB and KMS: {code}."
    if isinstance(error, EndpointConnectionError):
        hint = f" Start it: {_PROGRAM} serve" if options.endpoint_url == aws.DEFAULT_URL else ""
        return f"{options.endpoint_url} cannot be reached.{hint}"
    return str(error)


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
    _add_parameters(invoke)
    invoke.set_defaults(run=_invoke, aws_port=None)


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
    _add_parameters(serve)
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


def _add_parameters(command: argparse.ArgumentParser) -> None:
    for option, (name, metavar, text) in _PARAMETERS.items():
        parse = partial(_parameter, name)
        command.add_argument(
            option, dest="parameters", action="append", default=[], type=parse, metavar=metavar, help=text
        )


def _parameter(name: str, value: str) -> tuple[str, str]:
    """Check the value of a parameter as a deployment does."""
    declared = load_template().content["Parameters"][name]
    if not re.fullmatch(declared.get("AllowedPattern", ".*"), value):
        raise argparse.ArgumentTypeError(
            declared.get("ConstraintDescription", "must have names with commas between them.")
        )
    return name, value


def _port(text: str) -> int:
    """Parse a port, or 0 for any."""
    if not text.isdecimal() or int(text) > aws.LAST_PORT:
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 to {aws.LAST_PORT}")
    return int(text)


def _set_up(options: argparse.Namespace, out: TextIO | None = None) -> tuple[EventSourceMapping, ActivationQueue]:
    """Prepare AWS and the functions' environment, as the template has it; return what leads to activation."""
    aws.use_local_credentials()
    endpoint_url = options.endpoint_url = options.endpoint_url or _embedded(options)
    template = load_template(ElevenLabsUrl=elevenlabs.start(), **dict(options.parameters))
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
        results.append(_run(event, mapping.handler))
        mapping.poll()
        queue.deliver()
    for result in results:
        print(_shown(result, out), file=out)
    return 0 if all(map(_succeeded, results)) else 1


def _read(path: Path) -> object:
    """Read an event; raise ValueError with what a person can do about it."""
    try:
        event: object = json.loads(path.read_bytes())  # with or without a byte order mark
    except OSError as error:
        samples = [str(sample.relative_to(ROOT)) for sample in sorted((ROOT / "events").iterdir())]
        meant = closest(str(path), samples)
        hint = f"Did you mean {meant}?" if meant else "There are samples in events/."
        raise ValueError(f"{path} cannot be read: {error.strerror}. {hint}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text, and an event is JSON.") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON that can be read: {error}.") from None
    if isinstance(event, dict) and "ttsModel" in event:
        how = f"run {_PROGRAM} serve, and the curl line that it prints with -d @{path} instead of its own -d"
        raise ValueError(f"{path} is the body of a request, not an event. To send it, {how}.")
    return event


def _run(event: object, publish: Handler) -> dict[str, Any]:
    """Run the function that an event is for."""
    result = _handler_of(event, publish)(event, LambdaContext())
    if isinstance(result.get("body"), str) and result["body"]:
        result["body"] = json.loads(result["body"])
    result.pop("isBase64Encoded", None)
    return result


def _handler_of(event: object, publish: Handler) -> Handler:
    """Return the handler that an event is for, which its members show."""
    members = event if isinstance(event, dict) else {}
    if "action" in members:
        return manage_api_keys.handler
    if "workspaceId" in members:
        return retry_agents.handler
    if isinstance(members.get("Records"), list):
        is_queue = matches(next(iter(members["Records"]), None), {"eventSource": ["aws:sqs"]})
        return activate_agent.handler if is_queue else publish
    return get_agent.handler if str(members.get("rawPath", "")).startswith(f"{AGENTS_PATH}/") else create_agent.handler


def _succeeded(result: dict[str, Any]) -> bool:
    return result.get("batchItemFailures") == [] or 200 <= result.get("statusCode", 500) < 300


def _shown(result: dict[str, Any], out: TextIO) -> str:
    text, status = _json(result, out), result.get("statusCode")
    return text.replace(str(status), terminal.coloured(str(status), status, out), 1) if status else text


def _json(value: object, out: TextIO) -> str:
    # Another encoding than UTF-8 may lack characters; escapes are JSON, too.
    is_unicode = (out.encoding or "").lower().startswith("utf")
    return json.dumps(value, indent=2, ensure_ascii=not is_unicode)


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
    if options.aws_port is not None:
        port = options.endpoint_url.rpartition(":")[2]
        print(f"The embedded AWS listens on port {port} of all networks: whoever reaches it can use it.\n", file=out)
    print(_how_to_call(f"http://127.0.0.1:{server.server_port}", key, options.endpoint_url), file=out, flush=True)
    serve_until_interrupted(server)
    return 0


def _how_to_call(here: str, key: str, endpoint_url: str) -> str:
    url = f"{here}{AGENTS_PATH}"
    elsewhere = "" if endpoint_url == aws.DEFAULT_URL else f" --endpoint-url {endpoint_url}"
    return (
        f"POST {url}\nx-api-key: {key}\nx-workspace-id: {aws.WORKSPACE_ID}\n\n"
        f"Try it in a browser: {here}{docs.PATH}\n"
        f"Or in another terminal (Ctrl-C stops the server; its key and agents are gone then):\n\n{curl(url, key)}\n\n"
        f"Read it back, with the _id of the response:\n\n{curl_get(url, key)}\n\n"
        f"See how it is stored:\n\n{_PROGRAM} agent WORKSPACE ID{elsewhere}\n\n"
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
    print(_json(agent, out), file=out)
    return 0


def curl(url: str, key: str) -> str:
    """Return a command line that creates an agent."""
    return f"curl -sS {url} {_headers(key)} -H 'content-type: application/json' -d '{EXAMPLE_BODY}'"


def curl_get(url: str, key: str) -> str:
    """Return a command line that reads an agent."""
    return f"curl -sS {url}/ID {_headers(key)}"


def _headers(key: str) -> str:
    return f"-H 'x-api-key: {key}' -H 'x-workspace-id: {aws.WORKSPACE_ID}'"
