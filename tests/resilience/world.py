"""The world of a case: its own workspaces and keys, the real handler, an emulated AWS, and what was observed."""

import json
import re
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import Any

import create_agent
from call_agents.agents.store import agent_from_item
from call_agents.api_keys.key import key_hash, new_key, random_text
from call_agents.api_keys.store import ApiKeyStore, NewKey
from tests.local import aws
from tests.resilience.case import Case, event_of, filled
from tests.support.events import LambdaContext
from tests.support.http import HttpResponse
from tests.support.leaks import WINDOW, forms, recorded, windows
from tests.support.proxy import Call, Fault, Proxy
from tests.support.template import load_template

FUNCTION_MS = int(load_template().timeout * 1000)

GetApplication = Callable[[], create_agent.Application]

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Sent:
    """One request and its response.

    Parameters
    ----------
    result : dict
        What the handler returned.
    step : Case
        What was sent.
    seconds : float
        How long it took.
    """

    result: dict[str, Any]
    step: Case
    seconds: float

    @property
    def response(self) -> HttpResponse:
        """The response."""
        return HttpResponse(self.result["statusCode"], self.result["headers"], self.result["body"])


@dataclass
class Seen:
    """Everything that was observed of a case."""

    sent: list[Sent]
    calls: list[Call]
    items: list[dict[str, Any]]
    log: str
    outbound: set[Any]

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The log lines of requests. POWERTOOLS_DEV spreads each over several lines."""
        decode = json.JSONDecoder().raw_decode
        starts = (match.start() for match in re.finditer(r'^\{\s*"level"', self.log, re.MULTILINE))
        return [decode(self.log, start)[0] for start in starts]


class Keys(dict[str, str]):
    """Values of the placeholders. Only API keys that a case names are stored.

    Parameters
    ----------
    store : ApiKeyStore
        Where the keys are stored, not through the proxy.
    """

    def __init__(self, store: ApiKeyStore) -> None:
        name = token_hex(6)
        super().__init__(
            WORKSPACE=f"workspace-{name}-a",
            OTHER_WORKSPACE=f"workspace-{name}-b",
            ELEVENLABS_KEY=f"sk_{random_text(48)}",
            OTHER_ELEVENLABS_KEY=f"sk_{random_text(48)}",
            WORKSPACE_UPPER=f"WORKSPACE-{name.upper()}-A",
            TEST_KEY=new_key(random_text, "test"),
            UNKNOWN_KEY=new_key(random_text),
        )
        self._store = store
        self._now = datetime.now(UTC)
        for key in ("KEY", "OTHER_KEY", "REVOKED_KEY", "EXPIRED_KEY", "EXPIRING_KEY", "ROTATED_KEY", "BROKEN_KEY"):
            self[key] = new_key(random_text)
        self["CUT_KEY"] = self["KEY"][:-1]
        self["CHANGED_KEY"] = self["KEY"][:-1] + ("0" if self["KEY"][-1] != "0" else "1")

    @property
    def secrets(self) -> frozenset[str]:
        """Texts that must be found nowhere."""
        return frozenset().union(*map(forms, self.texts))

    @property
    def texts(self) -> list[str]:
        """The secrets, without their public parts."""
        return [value.rsplit("_", 1)[-1] for value in self.values() if value.startswith(("cca_", "sk_"))]

    @property
    def hashes(self) -> frozenset[str]:
        """Hashes, which only the table of keys may have."""
        return frozenset(key_hash(value) for value in self.values() if value.startswith(("cca_", "sk_")))

    def store(self, case: Case) -> None:
        """Store the keys that a case names."""
        text = json.dumps(case, default=str)
        self._add("KEY")
        for name, expires in (
            ("OTHER_KEY", None),
            ("REVOKED_KEY", None),
            ("EXPIRED_KEY", -_DAY),
            ("EXPIRING_KEY", timedelta(minutes=5)),
            ("ROTATED_KEY", None),
            ("BROKEN_KEY", None),
            ("TEST_KEY", None),
        ):
            if "{{" + name + "}}" in text:
                record = self._add(name, expires)
                self._finish(name, record, case)

    def _add(self, name: str, expires: timedelta | None = None) -> dict[str, Any]:
        return self._store.add(self._new(self[name], name.startswith("OTHER"), expires))

    def _new(self, key: str, other: bool = False, expires: timedelta | None = None) -> NewKey:  # noqa: FBT001, FBT002 - private
        workspace = self["OTHER_WORKSPACE" if other else "WORKSPACE"]
        end = None if expires is None else self._now + expires
        return NewKey(key, workspace, "user-1", None, self._now - 2 * _DAY, end)

    def _finish(self, name: str, record: dict[str, Any], case: Case) -> None:
        if name == "REVOKED_KEY":
            self._store.revoke(record, self._now)
        if name == "ROTATED_KEY":
            self._store.replace(record, self._new(new_key(random_text)), until=self._now + _DAY)
        if name == "BROKEN_KEY":
            self._break(self[name], filled(case["record"], self))

    def _break(self, key: str, changes: dict[str, Any]) -> None:
        """Set attributes of a key's record to other attribute values, or remove them."""
        client, table = self._store.client, self._store.table
        key_of_item = {"keyHash": {"S": key_hash(key)}}
        record = client.get_item(TableName=table, Key=key_of_item)["Item"]
        broken = {**record, **{name: value for name, value in changes.items() if value is not None}}
        removed = {name for name, value in changes.items() if value is None}
        client.put_item(TableName=table, Item={name: value for name, value in broken.items() if name not in removed})


class Outbound:
    """Where this process connects to. An audit hook cannot be removed, so there is one for all cases."""

    def __init__(self) -> None:
        self.addresses: set[Any] = set()
        sys.addaudithook(self._note)

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
            self.addresses.add(arguments[1])
        if event == "socket.getaddrinfo":
            self.addresses.add(arguments[:2])
        if event in ("socket.gethostbyname", "subprocess.Popen", "os.system", "os.posix_spawn"):
            self.addresses.add(repr(arguments))


@dataclass
class World:
    """What cases share.

    Parameters
    ----------
    clients : Clients
        The emulated AWS, not through the proxy.
    outbound : Outbound
        Where this process connects to.
    proxy : Proxy or None
        Between the handler and AWS; None for moto in this process.
    """

    clients: aws.Clients
    outbound: Outbound
    proxy: Proxy | None = None
    secrets: set[str] = field(default_factory=set)
    forms: int = 0
    leaks: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    requests: int = 0
    created: set[tuple[str, str]] = field(default_factory=set)
    stored: set[tuple[str, str]] = field(default_factory=set)

    @property
    def urls(self) -> tuple[str, ...]:
        """URLs of the emulated AWS."""
        return (self.proxy.url, self.proxy.upstream) if self.proxy else ()

    def keys(self) -> Keys:
        """Make the keys of a case."""
        return Keys(ApiKeyStore(self.clients.dynamodb, "ApiKeysTable"))

    def run(self, steps: list[Case], keys: Keys, app: GetApplication) -> Seen:
        """Send the requests of a case in turn, and observe everything."""
        self.unused = []
        if self.proxy:
            self.proxy.calls.clear()
        self.outbound.addresses.clear()
        with recorded() as log:
            sent = [one for step in steps for one in self._step(step, keys, app)]
        outbound = set(self.outbound.addresses)
        items = [item for name in ("WORKSPACE", "OTHER_WORKSPACE") for item in self.items(keys[name])]
        self._remember(keys, sent, items)
        return Seen(sent, list(self.proxy.calls) if self.proxy else [], items, log.getvalue(), outbound)

    def _step(self, step: Case, keys: Keys, app: GetApplication) -> list[Sent]:
        faults = [Fault(**fault) for fault in step.get("faults", [])]
        if self.proxy:
            self.proxy.plan(*faults)
        times = step.get("times", 1)
        events = [event_of(step, {**keys, "NUMBER": str(number)}) for number in range(times)]
        app = at_time(step, app)
        if step.get("parallel"):
            start = threading.Barrier(times)
            with ThreadPoolExecutor(times) as pool:
                sent = list(pool.map(lambda event: self._send(event, step, app, start), events))
        else:
            sent = [self._send(event, step, app) for event in events]
        self.unused += [fault.action for fault in faults if not fault.fired]
        return sent

    def _send(self, event: Any, step: Case, app: GetApplication, start: threading.Barrier | None = None) -> Sent:
        context = LambdaContext(timeout=step.get("time_left", FUNCTION_MS) / 1000)
        if start:
            start.wait()
        began = time.monotonic()
        result = create_agent.handle(event, context, app)
        return Sent(result, step, time.monotonic() - began)

    def items(self, workspace_id: str) -> list[dict[str, Any]]:
        """Read all agents of a workspace."""
        pages = self.clients.dynamodb.get_paginator("query").paginate(
            TableName="AgentsTable",
            KeyConditionExpression="workspaceId = :workspace",
            ExpressionAttributeValues={":workspace": {"S": workspace_id}},
            ConsistentRead=True,
        )
        return [dict(item) for page in pages for item in page["Items"]]

    def check_tables(self) -> None:
        """Check what all cases left: no unknown agents, and no secrets in the table of keys."""
        scan = self.clients.dynamodb.get_paginator("scan")
        names = {"#id": "_id"}
        pages = scan.paginate(
            TableName="AgentsTable", ProjectionExpression="workspaceId, #id", ExpressionAttributeNames=names
        )
        assert {(item["workspaceId"]["S"], item["_id"]["S"]) for page in pages for item in page["Items"]} == self.stored
        dump = "".join(repr(page["Items"]) for page in scan.paginate(TableName="ApiKeysTable"))
        pieces = windows(dump, WINDOW)
        self.leaks += [piece for secret in self.secrets for piece in windows(secret, WINDOW) & pieces]
        assert self.leaks == []

    def _remember(self, keys: Keys, sent: list[Sent], items: list[dict[str, Any]]) -> None:
        self.secrets |= set(keys.texts)
        self.forms += len(keys.secrets)
        self.stored |= {(item["workspaceId"]["S"], item["_id"]["S"]) for item in items}
        self.requests += len(sent)
        created = [one.response.body for one in sent if one.response.status == 201]
        self.created |= {(agent["workspaceId"], agent["_id"]) for agent in created}


def at_time(step: Case, app: GetApplication) -> GetApplication:
    """Return the application at another time: ``{"skew": seconds}`` from now, or fixed, ``{"at": …}``."""
    wanted = step.get("clock", {})
    if not wanted:
        return app
    still = datetime.fromisoformat(wanted["at"]) if "at" in wanted else None
    skew = timedelta(seconds=int(wanted.get("skew", 0)))
    return lambda: replace(app(), now=lambda: still or datetime.now(UTC) + skew)


def agent_of(item: dict[str, Any]) -> dict[str, Any]:
    """Return the agent of an item as it would be returned."""
    return agent_from_item(item).body()
