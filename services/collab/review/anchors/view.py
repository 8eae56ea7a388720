"""A scene's text with the ids of its characters: where anchors are made and resolved.

All of it is work for `workers`. Each process remembers a few views, so that the anchors of a
scene that people look at again and again are resolved without reading it anew.
"""

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from zlib import crc32

from rapidfuzz import fuzz

from libs.contracts.collab.anchors import (
    CANDIDATES_SHOWN_MAX,
    CONTEXT_CHARS,
    AnchorTarget,
)
from libs.contracts.editors import SceneEditor
from libs.contracts.positions import RelativePosition, YjsRange
from services.collab.formats.places import placed
from services.collab.review.advancing import advance
from services.collab.review.anchors.model import Piece, ids_in, pieces_of
from services.collab.review.characters import CharacterDocument, Run, joined
from services.collab.review.structs import Id, units, whole
from services.collab.updates import BadUpdate

VIEWS_MAX = 8
VIEWS_CHARS_MAX = 4_000_000
"""Of all texts that one process remembers; their ids take about ten times as many bytes."""
STEPS_MAX = 500
"""How often a document is brought to a newer state; its pieces become smaller each time."""
GRAM_CHARS = 8
CLOSEST_SCORE_MIN = 50.0
"""The least resemblance to a quote (rapidfuzz's partial ratio, 0 to 100) that is shown."""
CLOSEST_QUOTE_CHARS_MAX = 500
"""Of a quote that is looked for by resemblance."""


@dataclass(frozen=True, slots=True)
class Stood:
    """A place for an anchor: ids, and the text that is remembered with it."""

    pieces: list[Piece]
    first: Id
    last: Id
    quote: str
    before: str
    after: str
    grams: list[int]
    offset: int


@dataclass(frozen=True, slots=True)
class Place:
    """A stretch of the text, in UTF-16 offsets, with what it says."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The reason why no anchor can stand where one is wanted.

    `places` are the candidates when there are several, otherwise what resembles the words most.
    """

    ambiguous: bool
    reason: str
    places: list[Place]


@dataclass(frozen=True, slots=True)
class SceneAt:
    """A scene at a version: its state, and the editor it is written with."""

    scene: bytes
    seq: int
    state: bytes
    editor: SceneEditor | None


class View:
    """The text of a scene at one version."""

    def __init__(
        self,
        state: bytes,
        editor: SceneEditor | None,
        older: "View | None" = None,
    ) -> None:
        """Read *state*; the document of *older*, an older one, is taken over: *older* is spent.

        Raises:
            BadUpdate: It cannot be read, or pycrdt shows another text than its ids do.
        """
        self._placed = placed(state, editor)
        if older is not None and older.steps < STEPS_MAX and advance(older.document, state):
            self._document, self.steps = older.document, older.steps + 1
        else:
            self._document, self.steps = CharacterDocument(), 0
            self._document.apply(state)
        self._runs: list[Run] = []
        self._starts: list[int] = []
        self._roots: dict[str, int] = {}
        self._of_client: dict[int, list[tuple[int, int, int]]] = {}
        size = 0
        for root in self._placed.roots:
            self._roots[root] = size
            for run in joined(self._document.runs(root)):
                self._runs.append(run)
                self._starts.append(size)
                self._of_client.setdefault(run.client, []).append(
                    (run.clock, run.clock + len(run.text), size)
                )
                size += len(run.text)
        for own in self._of_client.values():
            own.sort()
        if "".join(run.text for run in self._runs) != self._placed.characters:
            raise BadUpdate("the characters by their ids are not those of the document")
        self.size = size

    @property
    def document(self) -> CharacterDocument:
        """The document; it must not be changed."""
        return self._document

    def between(self, first: Id, last: Id) -> list[Piece] | None:
        """Return the characters from *first* to *last*; None if one is not shown."""
        start, end = self._offset(first), self._offset(last)
        if start is None or end is None or end < start:
            return None
        return list(self._pieces(start, end + 1))

    def span_of(self, pieces: Iterable[Piece]) -> tuple[int, int] | None:
        """Return from where to where in the text those of *pieces* stand that are shown."""
        shown = [at for ident in ids_in(pieces) if (at := self._offset(ident)) is not None]
        if not shown:
            return None
        return self._placed.place(min(shown)), self._placed.place(max(shown)) + 1

    def living(self, pieces: Iterable[Piece]) -> list[Piece]:
        """Return those characters of *pieces* that are shown, in the order of the text."""
        shown = {at: ident for ident in ids_in(pieces) if (at := self._offset(ident)) is not None}
        return pieces_of(shown[at] for at in sorted(shown))

    def words_of(self, pieces: Iterable[Piece]) -> str:
        """Return the characters of *pieces* that are shown, as code units."""
        offsets = (self._offset(ident) for ident in ids_in(pieces))
        return "".join(self._placed.characters[at] for at in offsets if at is not None)

    @property
    def lens(self) -> str:
        """The name of the editor by whose rules the scene is read."""
        return self._placed.lens

    @property
    def text(self) -> str:
        """The text that `format=text` shows, in code units."""
        return self._placed.text

    @property
    def characters(self) -> str:
        """All characters of the document that are shown, in code units, without line ends."""
        return self._placed.characters

    def numbers_of(self, first: Id, last: Id) -> tuple[int, int]:
        """Return from where to where among the characters two that are shown stand."""
        start, end = self._offset(first), self._offset(last)
        assert start is not None
        assert end is not None
        return start, end + 1

    def first_character(self, place: int) -> int:
        """Return the number of the first character at a place of the text or after it."""
        return self._placed.first_from(place)

    def range_of(self, first: Id, last: Id) -> tuple[int, int] | None:
        """Return from where to where in the text two characters stand; None if one is gone."""
        start, end = self._offset(first), self._offset(last)
        if start is None or end is None or end < start:
            return None
        # A last line end that an editor keeps is a character, and no part of the text.
        return self._placed.place(start), min(self._placed.place(end) + 1, len(self.text))

    def place_of(self, start: int) -> tuple[Id | None, str]:
        """Return the character before a place of the text, and the text between: line ends, labels.

        None at the beginning of the scene.
        """
        before = self._placed.first_from(start) - 1
        if before < 0:
            return None, whole(self.text[:start])
        [(client, clock, _)] = self._pieces(before, before + 1)
        return (client, clock), whole(self.text[self._placed.place(before) + 1 : start])

    def start_at(self, before: Id | None, between: str) -> int | None:
        """Return the place of the text that `place_of` described; None if it is not there now."""
        end = 0
        if before is not None:
            offset = self._offset(before)
            if offset is None:
                return None
            end = self._placed.place(offset) + 1
        return end + len(units(between)) if self.text.startswith(units(between), end) else None

    def place_near(self, ident: Id) -> int:
        """Return where in the text a character stood; 0 where that is forgotten."""
        return self._placed.place(self._gap(ident, after=False) or 0)

    def ends_of(self, start: int, end: int) -> tuple[Id, Id] | None:
        """Return the first and the last character of a stretch of the text; None without any."""
        first, after = self._placed.first_from(start), self._placed.first_from(end)
        if after <= first:
            return None
        [(client, clock, _)] = self._pieces(first, first + 1)
        [(last_client, last_clock, _)] = self._pieces(after - 1, after)
        return (client, clock), (last_client, last_clock)

    def stand(self, target: AnchorTarget) -> Stood | Refused:
        """Find out where an anchor can stand; nothing is guessed."""
        if target.quote is not None:
            found = self._by_quote(target)
            if isinstance(found, Refused):
                return found
            return self.on_text(*found)
        if target.range is not None:
            end = target.range.to
            if end > len(self.text):
                reason = f"The text has {len(self.text)} UTF-16 code units; `to` is {end}."
                return Refused(ambiguous=False, reason=reason, places=[])
            return self.on_text(target.range.from_, end)
        assert target.yjs is not None
        start, end = self._ends(target.yjs)
        if start is None or end is None:
            reason = "The position names characters that this scene does not have."
            return Refused(ambiguous=False, reason=reason, places=[])
        return self.on_characters(start, end)

    def _by_quote(self, target: AnchorTarget) -> tuple[int, int] | Refused:
        quote = units(target.quote or "")
        prefix, suffix = units(target.prefix or ""), units(target.suffix or "")
        sought = prefix + quote + suffix
        starts = [at + len(prefix) for at in _occurrences(sought, self.text)]
        if len(starts) == 1:
            return starts[0], starts[0] + len(quote)
        if not starts:
            reason = "These words are not in this scene."
            return Refused(ambiguous=False, reason=reason, places=self._closest(quote))
        reason = f"These words are in this scene {len(starts)} times; give more of what is beside."
        shown = starts[:CANDIDATES_SHOWN_MAX]
        return Refused(
            ambiguous=True,
            reason=reason,
            places=[self._place(at, at + len(quote), CONTEXT_CHARS) for at in shown],
        )

    def _closest(self, quote: str) -> list[Place]:
        sought = quote[:CLOSEST_QUOTE_CHARS_MAX]
        found = fuzz.partial_ratio_alignment(sought, self.text, score_cutoff=CLOSEST_SCORE_MIN)
        if found is None or found.dest_end <= found.dest_start:
            return []
        return [self._place(found.dest_start, found.dest_end, 0)]

    def _place(self, start: int, end: int, side: int) -> Place:
        return Place(start, end, whole(self.text[max(0, start - side) : end + side]))

    def on_text(self, start: int, end: int) -> Stood | Refused:
        """Return an anchor on the text from *start* to *end*, in code units."""
        return self.on_characters(self._placed.first_from(start), self._placed.first_from(end))

    def on_characters(self, start: int, end: int) -> Stood | Refused:
        """Return an anchor on the characters from *start* to *end* of the document."""
        if end <= start:
            reason = "There are no characters of the text in this range."
            return Refused(ambiguous=False, reason=reason, places=[])
        first, last = self._placed.place(start), self._placed.place(end - 1) + 1
        before = self.text[max(0, first - CONTEXT_CHARS) : first]
        after = self.text[last : last + CONTEXT_CHARS]
        pieces = list(self._pieces(start, end))
        return Stood(
            pieces=pieces,
            first=pieces[0][:2],
            last=(pieces[-1][0], pieces[-1][1] + pieces[-1][2] - 1),
            quote=self.text[first:last],
            before=before,
            after=after,
            grams=grams_of(before, after),
            offset=first,
        )

    def _pieces(self, start: int, end: int) -> Iterator[Piece]:
        at = bisect_right(self._starts, start) - 1
        while at < len(self._runs) and self._starts[at] < end:
            run, begin = self._runs[at], self._starts[at]
            first = max(start - begin, 0)
            size = min(len(run.text), end - begin) - first
            yield run.client, run.clock + first, size
            at += 1

    def _offset(self, ident: Id) -> int | None:
        own = self._of_client.get(ident[0], [])
        at = bisect_right(own, (ident[1], 2**53, 0)) - 1
        if at < 0 or ident[1] >= own[at][1]:
            return None
        return own[at][2] + ident[1] - own[at][0]

    def _gap(self, ident: Id, *, after: bool) -> int | None:
        offset = self._offset(ident)
        if offset is not None:
            return offset + after
        found = self._document.gap(ident, after=after)
        if found is None or found[0] not in self._roots:
            return None
        return self._roots[found[0]] + found[1]

    def _ends(self, asked: YjsRange) -> tuple[int | None, int | None]:
        return self._position(asked.start), self._position(asked.end)

    def _position(self, position: RelativePosition) -> int | None:
        """Return how many characters are before a relative position; None for an unknown one."""
        if position.item is not None:
            ident = position.item.client, position.item.clock
            return self._gap(ident, after=position.assoc < 0)
        end = position.assoc >= 0
        if position.type is not None:
            return self._gap((position.type.client, position.type.clock), after=end)
        start = self._roots.get(position.tname or "")
        if start is None:
            return None
        ends = [*sorted(self._roots.values()), self.size]
        return ends[ends.index(start) + 1] if end else start


def _grams(text: str) -> Iterator[int]:
    """Yield a hash for each stretch of GRAM_CHARS, as PostgreSQL's integers hold it."""
    for at in range(len(text) - GRAM_CHARS + 1):
        packed = text[at : at + GRAM_CHARS].encode("utf-16-le", "surrogatepass")
        yield crc32(packed) - (1 << 31)


def grams_of(before: str, after: str) -> list[int]:
    """Return the hashes that an anchor remembers of what stands on both sides, in code units."""
    return [*_grams(before), *_grams(after)]


def _occurrences(sought: str, text: str) -> Iterator[int]:
    at = text.find(sought)
    while at >= 0:
        yield at
        at = text.find(sought, at + 1)


_views: OrderedDict[tuple[bytes, int, str], View] = OrderedDict()


def view_of(scene: bytes, seq: int, state: bytes, editor: SceneEditor | None) -> View:
    """Return the view of a scene at a version, which this process may remember.

    Raises:
        BadUpdate: The state cannot be read.
    """
    key = scene, seq, editor.model_dump_json() if editor else ""
    view = _views.get(key)
    if view is None:
        older = [(one[1], _views.pop(one)) for one in list(_views) if one[0] == scene]
        view = _read(state, editor, [old for at, old in older if at <= seq])
        while _views and (
            len(_views) >= VIEWS_MAX
            or sum(len(one.text) for one in _views.values()) + len(view.text) > VIEWS_CHARS_MAX
        ):
            _views.popitem(last=False)
        _views[key] = view
    _views.move_to_end(key)
    return view


def _read(state: bytes, editor: SceneEditor | None, older: Sequence[View]) -> View:
    if older:
        try:
            return View(state, editor, older[-1])
        except BadUpdate:
            # Rows of the log that it was read from may have been taken out of the scene.
            pass
    return View(state, editor)


def stand(
    scene: bytes, seq: int, state: bytes, editor: SceneEditor | None, targets: Sequence[bytes]
) -> list[Stood | Refused]:
    """Find places for *targets*, each an AnchorTarget as JSON, in a scene at *seq*.

    Raises:
        BadUpdate: The state cannot be read.
    """
    view = view_of(scene, seq, state, editor)
    return [view.stand(AnchorTarget.model_validate_json(target)) for target in targets]


def resolve(
    scene: bytes,
    seq: int,
    state: bytes,
    editor: SceneEditor | None,
    ends: Sequence[tuple[Id | None, Id | None, bool]],
) -> list[tuple[int, int] | None]:
    """Return from where to where in the text anchors stand: of each its ends, and if it lives.

    An orphaned one stands at a point; None for a living one whose characters are not shown.

    Raises:
        BadUpdate: The state cannot be read.
    """
    view = view_of(scene, seq, state, editor)
    found: list[tuple[int, int] | None] = []
    for first, last, lives in ends:
        if first is None or last is None:
            found.append((0, 0))
        elif lives:
            found.append(view.range_of(first, last))
        else:
            place = view.place_near(first)
            found.append((place, place))
    return found
