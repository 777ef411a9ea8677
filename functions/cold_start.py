"""Where Lambda starts `create_agent`: what every request needs is made here, while Lambda initializes the environment.

Before the first request a function has a whole processor or more, afterwards only its memory's share. Nothing made
here is unique to an environment or grows old, so a snapshot of it can be restored any number of times (SnapStart): ids
come from the operating system at each request, connections are opened later, botocore renews credentials itself.
"""

import gc

# A tenth of a cold start would go into looking for garbage among modules and classes, which all stay.
gc.disable()

import random  # noqa: E402 - the collector has to be off for all that follows

import create_agent  # noqa: E402 - the same

try:
    from snapshot_restore_py import register_after_restore  # type: ignore[import-not-found]  # only Lambda's runtime has it
except ImportError:
    pass
else:
    # The pauses before retries, for which the generator is used, would be the same in all environments of a snapshot.
    register_after_restore(random.seed)

handler = create_agent.handler

create_agent.prepare()
gc.freeze()
gc.enable()
