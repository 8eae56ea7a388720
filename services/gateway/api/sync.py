"""Sync over HTTP: what an offline peer pushes, pulls, and leaves to be decided."""

from functools import partial

from libs.contracts.events.bundles import COMMIT_DEADLINE_S
from libs.contracts.events.sync import (
    LIST_CONFLICTS,
    PULL,
    PUSH,
    RESOLVE,
    RESUME,
    SyncPush,
    SyncResolve,
)
from services.gateway.access.limits import LimitClass
from services.gateway.http.endpoint import Endpoint

PUSH_BYTES_MAX = 6 << 20
"""Of a checkpoint; its operations may carry event data of 64 KiB each."""

_PATH = "/api/projects/{id}/sync"
_row = partial(Endpoint, tag="Sync", place="project", deadline_s=COMMIT_DEADLINE_S)
_write = partial(
    _row,
    cost=LimitClass.WRITE,
    action="sync.push",
    # It may delete things, or raise the schema of scenes.
    doubts=True,
    problems=("CONFLICT", "CONCURRENCY_CONFLICT", "UNKNOWN_NAME", "IDEMPOTENCY_KEY_REUSED"),
)

ENDPOINTS = (
    _write(
        "POST",
        f"{_PATH}/push",
        PUSH,
        summary="Push a checkpoint of operations",
        description=(
            "Applied whole or not at all, and once; what conflicts comes back as data."
            " Each operation needs the permission of what it does."
        ),
        body=SyncPush,
        body_bytes_max=PUSH_BYTES_MAX,
    ),
    _row(
        "GET",
        f"{_PATH}/sessions/{{sessionId}}",
        RESUME,
        summary="Which checkpoint of a session came last",
        cost=LimitClass.READ,
        action="sync.push",
    ),
    _row(
        "GET",
        f"{_PATH}/pull",
        PULL,
        summary="Pull events in commit order",
        description="Up to 100 at a time, after a position; none is ever skipped.",
        cost=LimitClass.READ,
        action="sync.pull",
    ),
    _row(
        "GET",
        f"{_PATH}/conflicts",
        LIST_CONFLICTS,
        summary="List the conflicts that wait, or were resolved",
        cost=LimitClass.READ,
        action="sync.pull",
    ),
    _write(
        "POST",
        f"{_PATH}/conflicts/{{conflictId}}/resolve",
        RESOLVE,
        summary="Decide a conflict",
        body=SyncResolve,
    ),
)
