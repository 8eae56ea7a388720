"""Rows of runs as clients see them."""

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from libs import errors
from libs.contracts.ai.runs import Run, RunCost, RunStep, RunSummary
from services.ai.store import Row

_MICROS = 1_000_000


def summary_of(row: Row) -> RunSummary:
    """Return a run without its steps and its output."""
    return RunSummary(**_shared(row))


def run_of(row: Row, steps: Sequence[Row]) -> Run:
    """Return a run with its steps and its output."""
    return Run(**_shared(row), steps=steps_of(steps), output=row["output"])


def steps_of(rows: Sequence[Row]) -> list[RunStep]:
    """Return recorded steps."""
    return [RunStep(**dict(row)) for row in rows]


def _shared(row: Row) -> Mapping[str, Any]:
    plain = (
        *("id", "version", "project_id", "kind", "status", "book_id", "scene_id", "parent_id"),
        *("engine", "attempt", "error", "cancel_asked_at", "created_at", "created_by"),
        *("updated_at", "updated_by", "started_at", "ended_at", "erased_at"),
    )
    cost = RunCost(
        usd=in_usd(row["cost_microusd"]), tokens_in=row["tokens_in"], tokens_out=row["tokens_out"]
    )
    return {name: row[name] for name in plain} | {
        "config_hash": row["config_hash"].hex(),
        "cost": cost,
    }


def in_usd(micros: int) -> str:
    """Return millionths of a dollar as a decimal string of dollars."""
    whole, rest = divmod(micros, _MICROS)
    return f"{whole}.{rest:06d}".rstrip("0").rstrip(".")


def cursor_after(row: Row) -> str:
    """Return the cursor of a list that goes on after a run."""
    text = json.dumps([row["created_at"].isoformat(), str(row["id"])])
    return base64.urlsafe_b64encode(text.encode()).decode()


def place_of(cursor: str | None) -> tuple[datetime | None, UUID | None]:
    """Return the place that a cursor stands for.

    Raises:
        errors.Invalid: It is none of ours.
    """
    if cursor is None:
        return None, None
    try:
        at, run = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        moment, place = datetime.fromisoformat(at), UUID(run)
    except (ValueError, TypeError, AttributeError) as error:
        detail = "must be the nextCursor of a page of this list"
        raise errors.Invalid(errors=[{"field": "cursor", "detail": detail}]) from error
    # Ours have a time zone; without one it would be compared as that of the server.
    return moment.replace(tzinfo=moment.tzinfo or UTC), place
