"""The common parts of commands: contexts, claims, and the checks before they act."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, cast
from uuid import UUID

from opentelemetry import trace

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.events.event import Source
from libs.contracts.events.manuscript import Create, Document
from libs.contracts.events.resources import Kind
from libs.contracts.versions import Expected, is_expected
from libs.contracts.wire import Wire
from libs.telemetry import causation
from services.events.model.aggregate import AggregateSpec, Row
from services.events.model.aggregates import PROJECT
from services.events.model.log import CommandContext
from services.events.store import CommandClaim, Reader

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def context_of(
    actor: Actor,
    command_id: UUID,
    *,
    project_id: UUID | None = None,
    source: Source = Source.API,
    causation_id: UUID | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> CommandContext:
    """Return the context of the events of a command.

    The causation id is that of the command or, without one, that of the caller's trace.
    """
    span = trace.get_current_span().get_span_context()
    return CommandContext(
        project_id=project_id or actor.scope(),
        user_id=actor.user_id,
        bundle_id=command_id,
        correlation_id=f"{span.trace_id:032x}" if span.is_valid else command_id.hex,
        causation_id=causation_id or causation(),
        source=source,
        metadata=metadata or {},
    )


def claim_of(
    question: Wire, command_id: UUID, target_id: UUID, *, project_id: UUID
) -> CommandClaim:
    """Return the claim by which a retry of a command is recognised.

    The id of a new aggregate is left out: a retry may have another id, and is
    answered with the aggregate of the first attempt. Permissions are left out, because they may
    change, and the claim on a blob, because each attempt has its own.
    """
    said = question.model_dump(mode="json", exclude={"command_id", "may", "claim_id"})
    if isinstance(question, Create):
        del said["id"]
        scope = None if said["kind"] == PROJECT.kind else str(project_id)
    else:
        scope = str(project_id)
    words = _ENCODER.encode([type(question).__name__, scope, said])
    return CommandClaim(command_id, hashlib.sha256(words.encode()).hexdigest(), target_id)


def require_visible(row: Row | None) -> Row:
    """Return *row* when neither it nor an owner of it is deleted.

    Raises:
        errors.NotFound: It is deleted, or there is no row.
    """
    if row is None or row["hidden"] or row["deleted_at"] is not None:
        raise errors.NotFound
    return row


def require_version(row: Row, expected: Expected) -> None:
    """Return when the expected version is the current one.

    Raises:
        errors.PreconditionFailed: The expected version is another one.
    """
    if not is_expected(row["version"], expected):
        raise errors.PreconditionFailed(currentVersion=row["version"])


def require_expected(row: Row | None, expected: Expected) -> None:
    """Return when the caller expects the current version, or no particular version.

    Raises:
        errors.PreconditionFailed: The expected version is another one, or the row is gone.
    """
    if row is not None:
        require_version(row, expected)
    elif expected is not None:
        raise errors.PreconditionFailed


def require_project(spec: AggregateSpec, aggregate_id: UUID, project_id: UUID) -> None:
    """Return unless the id is that of another project than the actor's.

    Raises:
        errors.NotFound: It is another project.
    """
    if spec is PROJECT and aggregate_id != project_id:
        raise errors.NotFound


async def read_document(
    reader: Reader, spec: AggregateSpec, aggregate_id: UUID, *, actor: Actor
) -> Document:
    """Return an aggregate as it is now, deleted or not.

    Raises:
        errors.NotFound: The project does not have the aggregate.
    """
    row = await reader.row(spec, aggregate_id)
    if row is None:
        raise errors.NotFound
    return await to_document(reader, spec, row, actor=actor)


async def to_document(reader: Reader, spec: AggregateSpec, row: Row, *, actor: Actor) -> Document:
    """Return a row as its reader sees it; a project includes the role of the reader."""
    if spec is PROJECT:
        row = row | {"role": actor.role or await reader.role(actor.user_id)}
    return Document(kind=cast("Kind", spec.kind), resource=to_wire(spec, row))


def to_wire(spec: AggregateSpec, row: Row) -> dict[str, Any]:
    """Return a row as a client receives it."""
    return spec.document(row).model_dump(mode="json", by_alias=True)
