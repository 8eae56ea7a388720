"""The normal form by which compaction knows that nothing was lost."""

import random
from functools import partial
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st
from pycrdt import Array, Doc, Map, Text, TransactionEvent, XmlElement, XmlFragment, XmlText

from services.collab import normal, updates
from services.collab.review import structs
from services.collab.review.characters import Ranges
from tests.property.histories import Edit, histories, rows_of


@given(histories(), st.integers(1, 7))
def test_any_way_of_merging_a_text_has_one_normal_form(history: list[Edit], size: int):
    """At once, in pages, or page by page into a state: the compacted row may be made either way."""
    rows = rows_of(history)
    if rows:
        assert len({normal.normal(state).digest for state in _ways(rows, size)}) == 1


@given(st.integers(0, 1 << 32), st.integers(1, 9))
def test_any_way_of_merging_a_tree_has_one_normal_form(seed: int, size: int):
    """Nested types, overwritten keys and deleted subtrees are collected as garbage at different
    moments, and still are the same."""
    rows = _tree_rows(random.Random(seed))

    assert len({normal.normal(state).digest for state in _ways(rows, size)}) == 1


@given(st.integers(0, 1 << 32), st.data())
def test_a_lost_row_is_seen(seed: int, data: st.DataObject):
    """Whichever row is missing, even one that only deletes."""
    rows = _tree_rows(random.Random(seed))
    lost = data.draw(st.integers(0, len(rows) - 1))
    rest = rows[:lost] + rows[lost + 1 :]
    whole = normal.normal(updates.integrate(rows)[0])
    less = updates.integrate(rest)[0] if rest else updates.EMPTY
    # A row that only deletes what others delete, too, may be missing unseen.
    assume(not _is_repeated(rows[lost], less))

    assert normal.normal(less).digest != whole.digest
    assert normal.contains(updates.integrate(rows)[0], rows[lost])
    assert not normal.contains(less, rows[lost])


def _is_repeated(row: bytes, state: bytes) -> bool:
    written, deleted = structs.decode(row)
    gone = Ranges(structs.deletions(state))
    return not written and all(
        gone.hold(client, clock)
        for client, ranges in deleted.items()
        for first, end in ranges
        for clock in range(first, end)
    )


def _ways(rows: list[bytes], size: int) -> list[bytes]:
    paged: bytes | None = None
    merged = updates.EMPTY
    for start in range(0, len(rows), size):
        page = rows[start : start + size]
        paged = normal.absorb(paged, page)
        merged = updates.merge([merged, *page])
    assert paged is not None
    return [updates.integrate(rows)[0], updates.merge(rows), paged, merged]


def _tree_rows(rnd: random.Random) -> list[bytes]:
    """What several authors do to a map, a list, a text with marks and an XML tree."""
    docs: list[Doc[Any]] = [Doc(client_id=number + 1) for number in range(3)]
    rows: list[bytes] = []
    heard = [0, 0, 0]
    fresh: list[list[bytes]] = [[], [], []]
    watching = [doc.observe(partial(_keep, made)) for doc, made in zip(docs, fresh, strict=True)]
    for _ in range(rnd.randrange(2, 40)):
        author = rnd.randrange(3)
        doc = docs[author]
        if rnd.random() < 0.4:
            for row in rows[heard[author] :]:
                doc.apply_update(row)
            heard[author] = len(rows)
            fresh[author].clear()
        with doc.transaction():
            _change(doc, rnd)
        rows += [made for made in fresh[author] if made != updates.EMPTY]
        fresh[author].clear()
    if not rows:
        docs[0].get("content", type=Text).insert(0, "a")
        rows += fresh[0]
    for doc, each in zip(docs, watching, strict=True):
        doc.unobserve(each)
    return rows


def _keep(made: list[bytes], event: TransactionEvent) -> None:
    made.append(event.update)


def _change(doc: Doc[Any], rnd: random.Random) -> None:
    mapping: Map[Any] = doc.get("map", type=Map)
    array: Array[Any] = doc.get("array", type=Array)
    text = doc.get("content", type=Text)
    tree = doc.get("default", type=XmlFragment)
    key = rnd.choice("abc")
    match rnd.randrange(9):
        case 0:
            mapping[key] = rnd.randrange(9)
        case 1:
            mapping[key] = Map({"inner": Array([1, Text("deep")])})
        case 2 if key in mapping:
            del mapping[key]
        case 3:
            array.insert(rnd.randrange(len(array) + 1), rnd.choice([1, "x", Map({"k": Text("v")})]))
        case 4 if len(array):
            del array[rnd.randrange(len(array))]
        case 5:
            text.insert(rnd.randrange(len(text) + 1), rnd.choice(["ab", "c"]), {"bold": True})
        case 6 if len(text) > 2:
            start = rnd.randrange(len(text) - 1)
            del text[start : start + 1]
        case 7:
            tree.children.insert(
                rnd.randrange(len(tree.children) + 1),
                XmlElement("p", {"level": "1"}, [XmlText("word"), XmlElement("br")]),
            )
        case 8 if len(tree.children):
            del tree.children[rnd.randrange(len(tree.children))]
        case _:
            text.insert(0, "z")
