"""Whether the state of a branch lets somebody write into it."""

from uuid import UUID

from libs import errors
from libs.contracts.collab.branches import Branch, BranchKind, BranchState


def branch_refusal(branch: Branch, user: UUID) -> errors.AppError | None:
    """Return the reason for which *user* may not write into *branch*; None when they may."""
    if branch.state is BranchState.CLOSED:
        return errors.BranchClosed()
    if branch.kind is BranchKind.SUGGESTION and branch.created_by != user:
        return errors.Forbidden("read-only: a branch of suggestions is written by its author")
    return None
