"""Spans name the author of every character, as the characters tell it themselves.

Each edit writes characters that no other edit writes, so a character says which edit it is of.
"""

import json
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycrdt import Doc, Text, XmlElement, XmlFragment, XmlText

from libs.contracts.collab.content import ContentFormat
from libs.contracts.editors import BuiltIn, SceneEditor
from services.collab import formats, updates
from services.collab.review.authorship import work
from services.collab.review.authorship.parts import (
    Origins,
    Part,
    coalesced,
    packed,
    unpacked,
)
from services.collab.review.authorship.rows import Rows, part_of
from services.collab.review.authorship.spans import Bounds, Span
from services.collab.review.authorship.work import Slice, Sources
from tests.bench.material import trace_rows
from tests.collab.authorship.support import replayed_authors
from tests.property.histories import Edit, authored_rows, document, histories

ALL = Slice(0, 1_000_000)
PEOPLE = [UUID(int=number + 1) for number in range(8)]
STEP_MS = 1_000


def letter(number: int) -> str:
    """A character of its own for each edit; every second takes two UTF-16 units."""
    return chr((0x4E00, 0x20000)[number % 2] + number)


def edit_of(character: str) -> int:
    code = ord(character)
    return code - (0x20000 if code >= 0x20000 else 0x4E00)


@dataclass(frozen=True, slots=True)
class Log:
    """Rows, and by whom each is; row i came i + 1 seconds after the beginning of time."""

    rows: list[bytes]
    authors: list[int]

    def part(self, first: int = 0, end: int | None = None) -> Part:
        """Rows *first* to *end* in columns."""
        return part_of([self.page(first, end)], self.rows[:first])

    def page(self, first: int = 0, end: int | None = None) -> Rows:
        """Rows *first* to *end* as the log is read."""
        numbers, rows = range(len(self.rows))[first:end], self.rows[first:end]
        return Rows(
            b"".join(rows),
            array("q", map(len, rows)),
            array("q", (number + 1 for number in numbers)),
            array("q", ((number + 1) * STEP_MS for number in numbers)),
            array("q", self.authors[first:end]),
            [(person, None) for person in PEOPLE],
        )

    def kept(self, first: int = 0, end: int | None = None, *before: bytes) -> bytes:
        """What is kept of rows *first* to *end*, behind what was kept *before*."""
        return work.keep([self.page(first, end)], self.rows[:first], before)


def told(state: bytes, parts: Sequence[Part | bytes], seq: int = 1 << 40) -> list[Span]:
    spans, more = work.tell(state, Sources(parts), Bounds(seq), None, ALL)
    assert not more
    return spans


def unlike(edit: Edit, number: int) -> Edit:
    return replace(edit, text=letter(number) * len(edit.text))


def shown(state: bytes, editor: SceneEditor | None = None) -> str:
    return formats.render(state, ContentFormat.TEXT, editor).decode()


def wanted(text: str, log: Log, seq_of: Callable[[str], int]) -> list[tuple[int, int, UUID, int]]:
    """Spans from the text alone: start, end, author, and the newest seq."""
    found: list[tuple[int, int, UUID, int]] = []
    at = 0
    for character in text:
        if character == "\n":
            # Between blocks: nobody wrote it.
            at += 1
            continue
        size, seq = len(character.encode("utf-16-le")) // 2, seq_of(character)
        person = PEOPLE[log.authors[seq - 1]]
        if found and found[-1][2] == person:
            start, _, _, newest = found.pop()
            found.append((start, at + size, person, max(newest, seq)))
        else:
            found.append((at, at + size, person, seq))
        at += size
    return found


def flat(spans: Sequence[Span]) -> list[tuple[int, int, UUID, int]]:
    found: list[tuple[int, int, UUID, int]] = []
    for span in spans:
        assert span.by is not None
        assert span.seq is not None
        assert span.time_ms == span.seq * STEP_MS
        found.append((span.start, span.end, span.by[0], span.seq))
    return found


def written(history: list[Edit]) -> tuple[Log, Callable[[str], int]]:
    edits = [unlike(edit, number) for number, edit in enumerate(history)]
    made = authored_rows(edits)
    place = {id(edit): seq for seq, (edit, _) in enumerate(made, 1)}
    numbers = {number: place.get(id(edit)) for number, edit in enumerate(edits)}

    def seq_of(character: str) -> int:
        seq = numbers[edit_of(character)]
        assert seq is not None
        return seq

    return Log([row for _, row in made], [edit.author for edit, _ in made]), seq_of


@given(histories(authors=4), st.data())
def test_every_character_of_a_text_has_the_author_who_wrote_it(
    history: list[Edit], data: st.DataObject
) -> None:
    """At every version that is asked for, from one reading of the log or from several."""
    log, seq_of = written(history)
    if not log.rows:
        return
    upto = data.draw(st.integers(1, len(log.rows)))
    cut = data.draw(st.integers(0, upto))
    state, _ = updates.integrate(log.rows[:upto])
    text = str(document(state).get("content", type=Text))

    spans = told(state, [log.part(0, cut), log.part(cut, upto)])

    assert flat(spans) == wanted(text, log, seq_of)


@given(histories(authors=4), st.data())
def test_what_is_kept_of_a_pruned_log_names_the_same_authors(
    history: list[Edit], data: st.DataObject
) -> None:
    """Times are those of the edit, or of a later one by the same author within ten minutes."""
    log, seq_of = written(history)
    if not log.rows:
        return
    cut = data.draw(st.integers(1, len(log.rows)))
    state, _ = updates.integrate(log.rows)
    text = str(document(state).get("content", type=Text))
    kept = log.kept(0, cut)

    spans = told(state, [kept, log.part(cut)])

    goal = wanted(text, log, seq_of)
    assert [each[:3] for each in flat(spans)] == [each[:3] for each in goal]
    assert all(seq >= exact for (*_, seq), (*_, exact) in zip(flat(spans), goal, strict=True))


@given(histories(authors=4))
def test_what_is_packed_is_unpacked_the_same(history: list[Edit]) -> None:
    log, _ = written(history)
    part = coalesced([log.part()], within_s=0)
    again = unpacked(packed(part))
    assert again == part


def test_a_kept_part_that_was_damaged_tells_nothing() -> None:
    kept = packed(Part())
    assert unpacked(kept) == Part()
    assert all(unpacked(kept[:at]) is None for at in range(len(kept)))
    assert unpacked(kept[:-1] + bytes([kept[-1] ^ 1])) is None


def test_edits_that_are_far_apart_in_time_are_kept_apart() -> None:
    """In either order: text that is written again is older than what stands before it."""
    part = Part(people=[(PEOPLE[0], None)])
    for at, time_s in enumerate((3_600, 3_900, 4_300, 60, 90)):
        part.add((5, at, at + 1), at + 1, time_s * 1_000, 0)
    kept = coalesced([part])
    assert list(zip(kept.sizes, kept.times_ms, strict=True)) == [
        (2, 3_900_000),
        (1, 4_300_000),
        (2, 90_000),
    ]


def test_a_row_that_comes_twice_is_of_its_first_author() -> None:
    """As when an editor sends a whole document again after it was offline."""
    doc: Doc[Any] = Doc(client_id=5)
    text = doc.get("content", type=Text)
    text += "winter"
    first = doc.get_update()
    text += " night"
    log = Log([first, doc.get_update()], [0, 1])

    spans = told(doc.get_update(), [log.part()])

    assert [(span.start, span.end, span.seq) for span in spans] == [(0, 6, 1), (6, 12, 2)]


def test_what_came_in_the_wrong_order_has_its_author_all_the_same() -> None:
    """The end of a client's edits by one row, the beginning by a later one."""
    doc: Doc[Any] = Doc(client_id=5)
    text = doc.get("content", type=Text)
    rows: list[bytes] = []
    doc.observe(lambda event: rows.append(event.update))
    for word in ("one", "two", "three"):
        text += word
    log = Log([updates.merge([rows[0], rows[2]]), rows[1]], [0, 1])

    spans = told(doc.get_update(), [log.part()])

    assert flat(spans) == [(0, 3, PEOPLE[0], 1), (3, 6, PEOPLE[1], 2), (6, 11, PEOPLE[0], 1)]


def test_a_log_that_forgot_names_its_only_author_or_nobody() -> None:
    doc: Doc[Any] = Doc(client_id=5)
    text = doc.get("content", type=Text)
    text += "winter"
    state = doc.get_update()
    only = coalesced([Log([state], [3]).part()]).people[0]

    unknown = told(state, [])
    edit = next(edit for _, edit in Origins.of([Log([state], [3]).part()]).stretches())
    named, _ = work.tell(state, Sources([]), Bounds(1, None, edit), None, ALL)

    assert [(span.by, span.seq, span.time_ms) for span in unknown] == [(None, None, None)]
    assert [(span.by, span.seq) for span in named] == [(only, 1)]


def test_a_snapshot_between_kept_edits_is_not_newer_than_itself() -> None:
    doc: Doc[Any] = Doc(client_id=5)
    text = doc.get("content", type=Text)
    rows: list[bytes] = []
    doc.observe(lambda event: rows.append(event.update))
    for word in ("one", "two", "three"):
        text += word
    kept = Log(rows, [0, 0, 0]).kept()
    early = updates.merge(rows[:2])

    spans, _ = work.tell(early, Sources([kept]), Bounds(2, 2_000), None, ALL)

    assert [(span.seq, span.time_ms) for span in spans] == [(2, 2_000)]


def test_spans_come_in_pages() -> None:
    pair = [("insert", number) for number in range(20)]
    history = [Edit(at % 3, kind, at, "a") for _, at in pair for kind in ("sync", "insert")]
    log, _ = written(history)
    state, _ = updates.integrate(log.rows)
    whole_list = told(state, [log.part()])
    found: list[Span] = []
    more = True
    while more:
        page = Slice(len(found), 4)
        some, more = work.tell(state, Sources([log.part()]), Bounds(99), None, page)
        found += some
    assert len(whole_list) > 8
    assert found == whole_list


def test_a_merged_branch_names_those_who_wrote_in_it() -> None:
    """Ada's scene; Ben writes in a branch of it; Cyd, who merges it, wrote nothing."""
    ada, ben, cyd = range(3)
    scene: Doc[Any] = Doc(client_id=1)
    scene.get("content", type=Text).insert(0, "winter")
    base = scene.get_update()
    branch: Doc[Any] = Doc(client_id=2)
    branch.apply_update(base)
    branch.get("content", type=Text).insert(6, " night")
    work_of_ben = branch.get_update(scene.get_state())
    of_branch = Log([base, work_of_ben], [ada, ben]).part(1)
    late = Log([base, *[b"\0\0"] * 8, work_of_ben], [ada, *[cyd] * 8, cyd]).part()
    state = branch.get_update()

    merged, _ = work.tell(state, Sources([late], [[of_branch]]), Bounds(10), None, ALL)
    inside, _ = work.tell(state, Sources([of_branch], [[late]], 1), Bounds(2), None, ALL)
    alone, _ = work.tell(state, Sources([of_branch], [], 1), Bounds(2), None, ALL)

    assert [(one.start, one.end, one.by and one.by[0], one.seq) for one in merged] == [
        (0, 6, PEOPLE[ada], 1),
        (6, 12, PEOPLE[ben], 10),
    ]
    assert [(one.by and one.by[0], one.seq) for one in inside] == [
        (PEOPLE[ada], 1),
        (PEOPLE[ben], 2),
    ]
    assert [one.by and one.by[0] for one in alone] == [None, PEOPLE[ben]]
    assert [one.time_ms for one in merged] == [STEP_MS, 2 * STEP_MS]


TREES = 25


def test_trees_of_several_editors() -> None:
    """Elements are made, written in, cut and deleted, by three people at once."""
    for seed in range(TREES):
        log, root = _tree(Random(seed))
        state, _ = updates.integrate(log.rows)
        text = shown(state)
        assert root == text.replace("\n", "")
        kept = log.kept(0, len(log.rows) // 2)
        goal = wanted(text, log, lambda character: edit_of(character) + 1)
        assert flat(told(state, [log.part()])) == goal
        spans = told(state, [kept, log.part(len(log.rows) // 2)])
        assert [each[:3] for each in flat(spans)] == [each[:3] for each in goal]


def _tree(pick: Random) -> tuple[Log, str]:
    docs: list[Doc[Any]] = [Doc(client_id=client) for client in (7, 3, 2**40 + 1)]
    rows: list[bytes] = []
    authors: list[int] = []
    for number in range(80):
        who = pick.randrange(3)
        before = docs[who].get_state()
        _act(docs[who].get("default", type=XmlFragment), letter(number), pick)
        row = docs[who].get_update(before)
        rows.append(row)
        authors.append(who)
        if pick.random() < 0.3:
            docs[who].apply_update(updates.merge(rows))
    state, _ = updates.integrate(rows)
    return Log(rows, authors), _text_in(document(state).get("default", type=XmlFragment))


def _act(root: XmlFragment, character: str, pick: Random) -> None:
    children: Any = root.children
    count = len(children)
    action = pick.random()
    if not count or action < 0.25:
        element = XmlElement("paragraph", {"id": "x"}, [XmlText(character * 3)])
        children.insert(pick.randint(0, count), element)
        return
    if action < 0.32:
        del children[pick.randrange(count)]
        return
    text: XmlText = children[pick.randrange(count)].children[0]
    ends = [0]
    for one in _text_in(text):
        ends.append(ends[-1] + len(one.encode()))
    first, last = sorted(pick.choice(ends) for _ in range(2))
    if action < 0.8:
        text.insert(first, character)
    elif first < last and action < 0.9:
        del text[first:last]
    elif first < last:
        text.format(first, last, {"bold": True})


def _text_in(node: Any) -> str:
    if isinstance(node, XmlText):
        return "".join(
            piece if isinstance(piece, str) else _text_in(piece) for piece, _ in node.diff()
        )
    return "".join(_text_in(child) for child in node.children)


EDITORS = 15


@pytest.mark.parametrize("editor", BuiltIn)
def test_contents_of_every_editor(editor: BuiltIn) -> None:
    """Several people put contents with more paragraphs, longer ones and fewer."""
    named = SceneEditor(name=editor)
    for seed in range(EDITORS):
        pick, state, log = Random(seed), updates.EMPTY, Log([], [])
        blocks: list[str] = []
        for number in range(1, 25):
            _rewrite(blocks, letter(len(log.rows)), pick)
            form, content = ContentFormat.TEXT, "\n".join(blocks)
            if editor is not BuiltIn.PLAIN:
                form, content = ContentFormat.BLOCKS, _paragraphs(blocks)
            row = formats.rewrite(state, form, content.encode(), named)
            if row is not None:
                log.rows.append(row)
                log.authors.append(number % 3)
                state = updates.merge([state, row])

        text = shown(state, named)
        spans, _ = work.tell(state, Sources([log.part()]), Bounds(99), named, ALL)

        assert len(log.rows) > 12
        assert _without_ends(flat(spans), text) == _without_ends(
            wanted(text, log, lambda character: edit_of(character) + 1), text
        )


def _rewrite(blocks: list[str], character: str, pick: Random) -> None:
    if not blocks or pick.random() < 0.3:
        blocks.insert(pick.randint(0, len(blocks)), character * 3)
        return
    at = pick.randrange(len(blocks))
    if len(blocks) > 2 and pick.random() < 0.15:
        del blocks[at]
        return
    place = pick.randint(0, len(blocks[at]))
    blocks[at] = blocks[at][:place] + character * 2 + blocks[at][place:]


def _paragraphs(blocks: list[str]) -> str:
    return json.dumps([{"type": "paragraph", "children": [{"text": text}]} for text in blocks])


def _without_ends(spans: list[tuple[int, int, UUID, int]], text: str) -> list[tuple[str, UUID]]:
    """What spans say of text that is seen: line ends of plain text have authors, too."""
    packed = text.encode("utf-16-le")
    found: list[tuple[str, UUID]] = []
    for start, end, person, _ in spans:
        said = packed[start * 2 : end * 2].decode("utf-16-le").replace("\n", "")
        if found and found[-1][1] == person:
            said = found.pop()[0] + said
        if said:
            found.append((said, person))
    return found


def test_a_real_session_of_two_people() -> None:
    """Twenty thousand edits of a real paper, in turns; the ledger is kept in slices."""
    rows = trace_rows(20_000)
    log = Log(rows, [(number // 250) % 2 for number in range(len(rows))])
    state, _ = updates.integrate(rows)
    slices = [log.kept(at, at + 2_500) for at in range(0, 15_000, 2_500)]

    exact = told(state, [log.part()])
    spans = told(state, [*slices, log.part(15_000)])

    assert [(one.start, one.end, one.by) for one in spans] == [
        (one.start, one.end, one.by) for one in exact
    ]
    assert len(exact) > 100
    people = [(PEOPLE[author], None) for author in log.authors]
    assert replayed_authors(log.rows, people) == [
        by for one in exact for by in [one.by] * (one.end - one.start)
    ]
