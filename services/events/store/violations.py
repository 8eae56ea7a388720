"""The errors that violations of constraints mean, by the names of the constraints.

Names end in their meaning: `..._slug_taken`, `..._exists`, `..._cycle`. Every other violation is
a wrong value that passed the checks before, which the undo of one field can cause.
"""

import asyncpg

from libs import errors

ROW_REFUSALS = (
    asyncpg.UniqueViolationError,
    asyncpg.CheckViolationError,
    asyncpg.NotNullViolationError,
    asyncpg.ForeignKeyViolationError,
    asyncpg.InvalidTextRepresentationError,
)
"""Errors of a table that refuses a row because of its values."""


def is_partition_race(error: asyncpg.PostgresError) -> bool:
    """Return whether the log got a new partition during the transaction; a retry succeeds.

    An insert that waits for the new month to be attached was meant for the default partition, and
    is refused there by a rule that has no name.
    """
    return isinstance(error, asyncpg.CheckViolationError) and not getattr(
        error, "constraint_name", None
    )


def error_of(error: asyncpg.PostgresError) -> errors.AppError | None:
    """Return the error for the caller of a refused row; None when it is a bug of this service."""
    name: str = getattr(error, "constraint_name", None) or ""
    column: str | None = getattr(error, "column_name", None)
    match error:
        case asyncpg.UniqueViolationError() if name.endswith("_slug_taken"):
            return errors.SlugTaken(constraint=name)
        case asyncpg.UniqueViolationError() if name.endswith("_exists"):
            return errors.AlreadyExists(constraint=name)
        case asyncpg.CheckViolationError() if name.endswith("_cycle"):
            return errors.RelationCycle(constraint=name)
        case asyncpg.CheckViolationError():
            return errors.Invalid(
                f"The change would violate the constraint {name}.", constraint=name
            )
        case asyncpg.NotNullViolationError():
            return errors.Invalid(f"{column}: may not be empty", constraint=f"{column} not null")
        case asyncpg.InvalidTextRepresentationError():
            return errors.Unknown()
        case asyncpg.ForeignKeyViolationError():
            return errors.NotFound(
                "The request refers to a thing that does not exist.", constraint=name
            )
        case _:
            return None
