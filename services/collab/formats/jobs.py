"""What `workers` run for this package."""

from libs.contracts.collab.content import ContentFormat
from libs.contracts.editors import SceneEditor
from services.collab import formats, pieces, updates


def rewrite(
    state: bytes, form: ContentFormat, wanted: bytes, editor: SceneEditor | None = None
) -> list[bytes]:
    """`formats.rewrite`, cut into pieces that fit the log; none when nothing changes.

    Raises:
        BadContent, CannotHold, BadUpdate: As there.
    """
    update = formats.rewrite(state, form, wanted, editor)
    return [] if update is None else cut(update)


def convert(state: bytes, editor: SceneEditor, present: SceneEditor | None = None) -> list[bytes]:
    """`formats.converted`, cut into pieces that fit the log; none when nothing changes.

    Raises:
        CannotHold, BadUpdate: As there.
    """
    update = formats.converted(state, editor, present)
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
