"""The formatting of a scene and of a branch that is in step with it, side by side. No I/O."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from libs.contracts.collab.content import ContentFormat
from services.collab import formats, updates
from services.collab.history import blocks as history
from services.collab.history.compare import TooMuch
from services.collab.review.anchors.view import SceneAt
from services.collab.review.rich.splicing import Nodes
from services.collab.review.suggesting.matching import Known
from services.collab.review.suggesting.regions import Region, carried, regions
from services.collab.review.suggesting.styling import (
    Numbering,
    Places,
    Style,
    Styled,
    styled,
    unstyled,
)


@dataclass(frozen=True, slots=True)
class Formatting:
    """Both as blocks, with their texts."""

    at: SceneAt
    branch: bytes
    text: str
    scene_blocks: Nodes
    branch_blocks: Nodes

    @staticmethod
    def of(at: SceneAt, branch: bytes) -> "Formatting | None":
        """Read both; None where they are too large to compare.

        Raises:
            BadUpdate: A state cannot be read.
        """
        try:
            ours, theirs = (history.blocks_of(state, at.editor) for state in (at.state, branch))
        except TooMuch:
            return None
        text = formats.render(at.state, ContentFormat.TEXT, at.editor).decode()
        return Formatting(at, branch, text, ours, theirs)

    def compared(self) -> Styled:
        """Return what the branch changed of formatting."""
        numbering = Numbering(self.text, self.scene_blocks)
        found = styled(self.scene_blocks, self.branch_blocks, numbering)
        if not found.styles:
            return found
        lenses = {formats.lens_of(state, self.at.editor) for state in (self.at.state, self.branch)}
        # Nobody named the editor, and only the branch shows it: the scene's would not know these
        # marks as they would be written there.
        return found if len(lenses) == 1 else Styled([], found.unexpressed + len(found.styles))

    def without(self, against: Sequence[Known]) -> tuple["Formatting", bytes | None]:
        """Return both without changes that somebody decided against, and the edit of the branch."""
        if not against:
            return self, None
        own = formats.render(self.branch, ContentFormat.TEXT, self.at.editor).decode()
        places = Places(Numbering(self.text, self.scene_blocks), Numbering(own, self.branch_blocks))
        if not places.hold:
            return self, None
        changes = regions(self.text, own)
        wanted = unstyled(
            self.scene_blocks,
            self.branch_blocks,
            [(style_of(one), one.region, _there(one.region, changes)) for one in against],
            places,
        )
        try:
            goal = history.dumped(wanted)
            piece = formats.rewrite(self.branch, ContentFormat.BLOCKS, goal, self.at.editor)
        except (formats.BadContent, formats.CannotHold):
            return self, None
        if piece is None:
            return self, None
        branch = updates.merge([self.branch, piece])
        found = history.blocks_of(branch, self.at.editor)
        return replace(self, branch=branch, branch_blocks=found), piece


def style_of(known: Known) -> Style:
    """Return the change of formatting that a suggestion told last."""
    assert known.attributes is not None
    return Style(known.region.start, known.region.end, known.attributes)


def _there(region: Region, changes: Sequence[Region]) -> Region:
    start = carried(region.start, changes)
    return Region(start, max(start, carried(region.end, changes, as_end=True)), "")
