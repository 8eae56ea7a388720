"""Blocks to an update and back: work for `workers`, which import little else."""

from typing import NamedTuple

from libs.contracts.collab.content import ContentFormat
from libs.contracts.editors import SceneEditor
from services.collab import formats, updates
from services.collab.formats import BadContent, CannotHold, slate
from services.collab.formats.likeness import says_the_same
from services.collab.snapshots import rendering


class Converted(NamedTuple):
    """The update made of blocks, or why there is none."""

    update: bytes
    reason: str = ""


def convert(content: bytes, size_bytes: int, editor: SceneEditor | None = None) -> Converted:
    """Make one update of stored blocks, and make sure that it says the same.

    Args:
        content: zstd of JSON.
        size_bytes: Its length when decompressed.
        editor: The editor that the scene names.
    """
    plain = rendering.unpack(content, size_bytes)
    if plain is None:
        return Converted(b"", "the stored blocks are damaged")
    try:
        update = formats.rewrite(updates.EMPTY, ContentFormat.BLOCKS, plain, editor)
        if update is None:
            return Converted(b"", "there is no text in it")
        if not _says(update, plain, editor):
            return Converted(b"", "the text would not come back as it went in")
    except (BadContent, CannotHold) as error:
        return Converted(b"", f"{error.place or 'content'}: {error.reason}")
    except updates.BadUpdate as error:
        return Converted(b"", f"cannot be converted: {error}")
    return Converted(update)


def matches(
    state: bytes, content: bytes, size_bytes: int, editor: SceneEditor | None = None
) -> bool:
    """Whether a state says what stored blocks say.

    The scene may have named another *editor* when they were converted, so that what is seen
    without it counts as well.
    """
    plain = rendering.unpack(content, size_bytes)
    try:
        return plain is not None and any(_says(state, plain, each) for each in (editor, None))
    except (BadContent, updates.BadUpdate):
        return False


def _says(state: bytes, plain: bytes, editor: SceneEditor | None) -> bool:
    """Whether *state* shows the blocks of *plain*, up to what its editor wants around them."""
    shown = formats.render(state, ContentFormat.BLOCKS, editor)
    return says_the_same(slate.parse(shown), slate.parse(plain))
