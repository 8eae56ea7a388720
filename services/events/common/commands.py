"""What all commands share: their cause, their claim, and the checks before they act."""

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
from libs.contracts.events.resources import Expected, Kind, is_expected
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
    """Return what the events of this command will have in common.

    What led to it is what the command itself says, or else what the caller said with its trace.
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
    """Return what a retry of this command is recognised by.

    The id of what is to be created is left out: a retry may have drawn another one, and is
    answered with what the first try created. So are what the actor may, which can change meanwhile,
    and the claim on a blob, of which each try has its own.
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
    """Return *row* when neither it nor anything above it is deleted.

    Raises:
        errors.NotFound: It is, or there is none.
    """
    if row is None or row["hidden"] or row["deleted_at"] is not None:
        raise errors.NotFound
    return row


def require_version(row: Row, expected: Expected) -> None:
    """Return when the caller meant the version that is there.

    Raises:
        errors.PreconditionFailed: It meant another one.
    """
    if not is_expected(row["version"], expected):
        raise errors.PreconditionFailed(currentVersion=row["version"])


def require_expected(row: Row | None, expected: Expected) -> None:
    """Return when the caller meant what is there, or did not say what that is.

    Raises:
        errors.PreconditionFailed: They meant another version, or something that is gone.
    """
    if row is not None:
        require_version(row, expected)
    elif expected is not None:
        raise errors.PreconditionFailed


def require_project(spec: AggregateSpec, aggregate_id: UUID, project_id: UUID) -> None:
    """Return unless another project than the actor's is meant.

    Raises:
        errors.NotFound: It is.
    """
    if spec is PROJECT and aggregate_id != project_id:
        raise errors.NotFound


async def read_document(
    reader: Reader, spec: AggregateSpec, aggregate_id: UUID, *, actor: Actor
) -> Document:
    """Return an aggregate as it is now, deleted or not.

    Raises:
        errors.NotFound: The project has no such thing.
    """
    row = await reader.row(spec, aggregate_id)
    if row is None:
        raise errors.NotFound
    return await to_document(reader, spec, row, actor=actor)


async def to_document(reader: Reader, spec: AggregateSpec, row: Row, *, actor: Actor) -> Document:
    """Return a row as its reader sees it: a project tells their role there."""
    if spec is PROJECT:
        row = row | {"role": actor.role or await reader.role(actor.user_id)}
    return Document(kind=cast("Kind", spec.kind), resource=to_wire(spec, row))


def to_wire(spec: AggregateSpec, row: Row) -> dict[str, Any]:
    """Return a row as a client receives it."""
    return spec.document(row).model_dump(mode="json", by_alias=True)
