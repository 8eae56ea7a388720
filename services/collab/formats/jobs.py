"""What `workers` run for this package."""

from libs.contracts.content import ContentFormat
from services.collab import formats, pieces, updates


def rewrite(state: bytes, form: ContentFormat, wanted: bytes) -> list[bytes]:
    """`formats.rewrite`, cut into pieces that fit the log; none when nothing changes.

    Raises:
        BadContent, CannotHold, BadUpdate: As there.
    """
    update = formats.rewrite(state, form, wanted)
    return [] if update is None else cut(update)


def cut(update: bytes) -> list[bytes]:
    """`pieces.cut`.

    Raises:
        BadUpdate: It cannot be walked.
    """
    try:
        return pieces.cut(update)
    except (ValueError, IndexError) as error:
        raise updates.BadUpdate(str(error)) from None
