"""A scene with a patch, without a stack: all that decides is real, and rows are in memory."""

from dataclasses import dataclass, field
from random import Random
from uuid import uuid4

from libs.contracts.collab.anchors import AnchorStatus, AnchorTarget, TextRange
from libs.contracts.collab.content import ContentFormat
from libs.contracts.collab.patches import HunkKind, RebaseStrategy
from libs.contracts.editors import SceneEditor
from services.collab import formats, updates
from services.collab.review.anchors import following
from services.collab.review.anchors.model import Held, Row
from services.collab.review.anchors.view import SceneAt, Stood, View
from services.collab.review.patches import applying, reverting
from services.collab.review.patches.planned import Anchored, Ends, Outcome, Waiting, Written, Wrote
from services.collab.review.patches.rebase import Landing

CLIENT_FIRST = 2**40


def held(stood: Stood, seq: int) -> Held:
    """Return a new anchor."""
    return Held(
        id=uuid4(),
        status=AnchorStatus.EXACT,
        generation=0,
        first=stood.first,
        last=stood.last,
        pieces=stood.pieces,
        quote=stood.quote,
        before=stood.before,
        after=stood.after,
        followed_seq=seq,
    )


@dataclass(slots=True)
class HunkRow:
    """A hunk as the database holds it."""

    number: int
    kind: HunkKind
    side: str
    base: str
    text: str
    anchor: Held
    wrote: Wrote | None = None
    written: Held | None = None


@dataclass(slots=True)
class Scene:
    """A document with its log and its anchors."""

    editor: SceneEditor
    state: bytes = updates.EMPTY
    seq: int = 0
    id: bytes = field(default_factory=lambda: uuid4().bytes)
    hunks: list[HunkRow] = field(default_factory=list[HunkRow])
    clients: int = CLIENT_FIRST

    def view(self) -> View:
        """The scene as it is."""
        return View(self.state, self.editor)

    def at(self) -> SceneAt:
        """The scene as workers get it."""
        return SceneAt(self.id, self.seq, self.state, self.editor)

    def take(self, update: bytes) -> None:
        """Append a row, and take the anchors over it."""
        if update == updates.EMPTY:
            return
        anchors = [
            one for hunk in self.hunks for one in (hunk.anchor, hunk.written) if one is not None
        ]
        row = Row(self.seq + 1, update)
        # The anchors are changed in place.
        following.follow(self.id, self.seq, self.state, [row], anchors)
        self.state, self.seq = updates.merge([self.state, update]), self.seq + 1

    def write(self, text: str) -> None:
        """Let somebody put the whole text, as the smallest edit."""
        update = formats.rewrite(self.state, ContentFormat.TEXT, text.encode(), self.editor)
        self.take(update or updates.EMPTY)

    def stood(self, start: int, end: int) -> Stood | None:
        """Return where an anchor on a range of the text can stand."""
        target = AnchorTarget(range=TextRange.model_validate({"from": start, "to": end}))
        found = self.view().stand(target)
        return found if isinstance(found, Stood) else None

    def look(self, *, override: bool) -> list[Landing]:
        """Return where hunks that are not in the text would land."""
        waiting = [_waiting(hunk) for hunk in self.hunks if hunk.wrote is None]
        return applying.look(self.at(), waiting, override=override).landings

    def apply(self, strategy: RebaseStrategy | None = None) -> Outcome:
        """Apply what is not in the text, as `patches.deciding` does."""
        waiting = [_waiting(hunk) for hunk in self.hunks if hunk.wrote is None]
        self.clients += 1
        found = applying.apply(self.at(), waiting, self.clients, strategy)
        if found.plan is not None:
            self.take(found.plan.edit.update)
            for hunk in self.hunks:
                if hunk.number in found.landed:
                    hunk.wrote = Wrote.from_json(found.landed[hunk.number].as_json())
                    stood = found.written.get(hunk.number)
                    hunk.written = held(stood, self.seq) if stood else None
            self._renew(found)
        return found

    def revert(self) -> Outcome:
        """Take back what is in the text, as `patches.deciding` does."""
        written = [_written(hunk) for hunk in self.hunks if hunk.wrote is not None]
        self.clients += 1
        found = reverting.revert(self.at(), written, self.clients)
        if found.plan is not None:
            self.take(found.plan.edit.update)
            for hunk in self.hunks:
                hunk.wrote = hunk.written = None
            self._renew(found)
        return found

    def _renew(self, found: Outcome) -> None:
        for hunk in self.hunks:
            stood = found.words.get(hunk.number)
            if stood is not None:
                hunk.anchor = held(stood, self.seq)


def _ends(anchor: Held) -> Ends | None:
    if anchor.orphaned or anchor.first is None or anchor.last is None:
        return None
    return anchor.first, anchor.last


def _waiting(hunk: HunkRow) -> Waiting:
    side = "before" if hunk.side == "before" else "after"
    return Waiting(hunk.number, hunk.kind, side, hunk.base, hunk.text, _anchored(hunk.anchor))


def _written(hunk: HunkRow) -> Written:
    assert hunk.wrote is not None
    return Written(hunk.number, hunk.wrote, _anchored(hunk.written) if hunk.written else None)


def _anchored(anchor: Held) -> Anchored:
    exact = anchor.status is AnchorStatus.EXACT
    return Anchored(_ends(anchor), exact, anchor.before, anchor.after)


def words(pick: Random, count: int) -> str:
    """Return that many words."""
    return " ".join(pick.choice(_WORDS) for _ in range(count))


_WORDS = [
    *("ice", "night", "storm", "the", "a", "of", "was", "very", "dreary", "november", "rain"),
    *("pattered", "panes", "née", "🎭", "naïve", "slept", "Wretch!", "creature;", "light"),
    *("half-extinguished", "eye", "opened", "—", "yes"),
]
