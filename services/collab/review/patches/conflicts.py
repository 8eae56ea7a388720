"""The conflict log of a patch: its hunks that did not land."""

from collections.abc import Sequence
from typing import Any

from libs import errors
from libs.contracts.collab.patches import CONFLICT_NOW_CHARS_MAX, HunkConflict, HunkKind
from services.collab.review.patches.rebase import Clash, proposed
from services.collab.review.patches.store import Row


def conflict_log(
    hunks: Sequence[Row], clashes: Sequence[Clash], seq: int, *, taking_back: bool = False
) -> list[dict[str, Any]]:
    """Return the clashes of *hunks* at the version *seq* as the database holds them.

    *taking_back* hunks proposes the words that were there before they were applied.
    """
    by_number = {hunk["number"]: hunk for hunk in hunks}
    found: list[dict[str, Any]] = []
    for clash in clashes:
        hunk = by_number[clash.number]
        base = hunk["base"]
        wanted = proposed(HunkKind(hunk["kind"]), hunk["side"], base, hunk["text"])
        if taking_back:
            base, wanted = hunk["applied"]["text"], hunk["applied"]["base"]
        conflict = HunkConflict(
            hunk_id=hunk["id"],
            number=clash.number,
            reason=clash.reason,
            seq=seq,
            base=base,
            now=None if clash.now is None else clash.now[:CONFLICT_NOW_CHARS_MAX],
            proposed=wanted,
        )
        found.append(conflict.model_dump(mode="json", by_alias=True))
    return found


def same_conflicts(one: Sequence[dict[str, Any]], other: Sequence[dict[str, Any]]) -> bool:
    """Whether two logs tell the same, whenever that was."""
    return [{**each, "seq": 0} for each in one] == [{**each, "seq": 0} for each in other]


def refusal(conflicts: list[dict[str, Any]]) -> errors.Conflict:
    """Return the refusal of a patch that is applied or reverted whole or not at all."""
    first = conflicts[0]
    return errors.Conflict(
        f"{len(conflicts)} of the hunks are in conflict with the text; nothing was written.",
        conflicts=conflicts,
        base=first["base"],
        now=first["now"],
        proposed=first["proposed"],
    )
