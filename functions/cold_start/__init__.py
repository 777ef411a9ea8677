"""Entry points of the API in Lambda: they warm up what every request needs while the environment initializes.

Lambda gives a function at least a whole processor during initialization, and afterwards only the share of its memory.
Nothing else depends on this package: with the handler ``create_agent.handler`` everything works the same, and cold
starts are slower.

Nothing that is made here is unique to an environment or expires, so SnapStart can restore it any number of times.
"""

import gc

# A tenth of a cold start would be spent looking for garbage among modules and classes, which all stay.
gc.disable()

import compiled_text  # noqa: E402 - the collector has to be off for all that follows

end_compiled_text = compiled_text.offer()

import random  # noqa: E402 - the same
from collections.abc import Callable, Iterable  # noqa: E402 - the same
from contextlib import suppress  # noqa: E402 - the same
from datetime import UTC, datetime  # noqa: E402 - the same
from typing import Any  # noqa: E402 - the same

from call_agents.api_keys.access import Access  # noqa: E402 - the same

try:
    from snapshot_restore_py import register_after_restore  # type: ignore[import-not-found]  # only in Lambda's runtime
except ImportError:
    pass
else:
    # botocore's pauses before retries would otherwise be the same in all environments of a snapshot.
    register_after_restore(random.seed)

Call = Callable[[], object]


class _NotSentError(Exception):
    """Ends a dry run."""


def _stop(**_: object) -> None:
    raise _NotSentError


def warm_up(prepare: Callable[[], tuple[Access, Iterable[Call]]]) -> None:
    """Build an application and dry-run the calls of a request: botocore loads models and credentials, nothing is sent.

    Errors are ignored here; the first request reports them.

    Parameters
    ----------
    prepare : Callable
        Builds the application. It returns its access, and what a request does besides.
    """
    with suppress(Exception):
        access, calls = prepare()
        keys, rate_limiter = access.keys, access.rate_limiter
        clients: list[Any] = [keys.client, *([rate_limiter.client] if rate_limiter else [])]
        for client in clients:
            client.meta.events.register_first("before-send", _stop)
        with suppress(Exception):
            keys.find_by_hash("warm-up")
        if rate_limiter:
            with suppress(Exception):
                rate_limiter.count("warm-up", None, 1, datetime.now(UTC))
        for call in calls:
            with suppress(Exception):
                call()
        for client in clients:
            client.meta.events.unregister("before-send", _stop)
    end_compiled_text()
    gc.freeze()
    gc.enable()
