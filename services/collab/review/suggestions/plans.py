"""The jobs of `workers` that plan the edit of a decision about a suggestion."""

from collections.abc import Callable
from typing import Any

import asyncpg

from libs.contracts.collab.anchors import Anchor
from services.collab.review.anchors.view import SceneAt
from services.collab.review.hunks import planning
from services.collab.review.hunks.planning import Applied, Hunk, Planned
from services.collab.review.rich import planning as rich
from services.collab.review.rich.planning import RichApplied, RichChange


def planning_of(
    row: asyncpg.Record, anchor: Anchor, at: SceneAt, *, reverts: bool
) -> tuple[Callable[..., Planned], *tuple[Any, ...]]:
    """Return the job that plans accepting or reverting the suggestion of a row, and what it needs.

    *anchor* lives, unless the suggestion is reverted.
    """
    change = row["base"], row["text"], row["kind"], row["side"]
    hunk = Hunk((0, 0), (0, 0), *change)
    if anchor.status != "orphaned":
        hunk = Hunk.at(anchor, *change)
    if row["blocks"] is None and row["attributes"] is None:
        client = planning.new_client()
        if reverts:
            return planning.revert, at, [hunk], [Applied.from_json(row["applied"])], client
        return planning.apply, at, [hunk], client
    attributes: dict[str, Any] = row["attributes"] or {}
    wanted = RichChange(
        hunk.first,
        hunk.last,
        row["base"],
        row["kind"],
        row["side"],
        row["blocks"] or [],
        **attributes,
    )
    if reverts:
        return rich.revert, at, wanted, RichApplied.from_json(row["applied"])
    return rich.apply, at, wanted
