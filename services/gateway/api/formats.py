"""Names of formats as clients give them."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from libs import errors

FORMAT_CHARS_MAX = 40

Format = Annotated[
    str, Field(max_length=FORMAT_CHARS_MAX, examples=["text", "markdown", "blocks", "yjs"])
]
"""Any word: one that is not known is told which are."""


def named[F: StrEnum](known: type[F], given: str | None, default: F) -> F:
    """Return the format of *known* that is called *given*.

    Raises:
        Unsupported: None is; those that are known are in the data.
    """
    if given is None:
        return default
    try:
        return known(given)
    except ValueError:
        raise errors.Unsupported(
            f"Known formats are {', '.join(known)}.", formats=list(known)
        ) from None
