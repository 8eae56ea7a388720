"""Random histories of one text by several authors, as the log of a scene would hold them."""

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from pycrdt import Doc, Text

from libs.contracts.collab.yprotocol import varuint
from tests.support.scenery import text_of
from tests.support.yclient import clocks_of

LETTERS = "aé中😀👨‍👩‍👧́ \n"
"""Of one to four bytes, of one and of two UTF-16 units, joining and combining."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One author writes or deletes something, or hears what the others have done so far."""

    author: int
    kind: str
    at: int
    text: str


def histories(authors: int = 3, edits_max: int = 40) -> st.SearchStrategy[list[Edit]]:
    """Lists of edits."""
    edit = st.builds(
        Edit,
        author=st.integers(0, authors - 1),
        kind=st.sampled_from(["insert", "insert", "delete", "sync"]),
        at=st.integers(0, 1000),
        text=st.text(LETTERS, min_size=1, max_size=5),
    )
    return st.lists(edit, min_size=1, max_size=edits_max)


def rows_of(history: list[Edit]) -> list[bytes]:
    """The updates of a history, in the order in which they became durable.

    Causal, as the log is: nobody builds on what is not in it yet.
    """
    return [row for _, row in authored_rows(history)]


def authored_rows(history: list[Edit]) -> list[tuple[Edit, bytes]]:
    """The updates of a history, as `rows_of` gives them, with the edits that made them."""
    rows: list[tuple[Edit, bytes]] = []
    docs: list[Doc[Any]] = [Doc(client_id=number + 1) for number in range(8)]
    for edit in history:
        doc = docs[edit.author]
        if edit.kind == "sync":
            for _, row in rows:
                doc.apply_update(row)
            continue
        before = doc.get_state()
        change(doc.get("content", type=Text), edit)
        update = doc.get_update(before)
        if update != b"\x00\x00":
            rows.append((edit, update))
    return rows


def change(text: Text, edit: Edit) -> None:
    places = _boundaries(str(text))
    at = edit.at % len(places)
    if edit.kind == "insert":
        text.insert(places[at], edit.text)
    elif at < len(places) - 1:
        del text[places[at] : places[min(at + len(edit.text), len(places) - 1)]]


def _boundaries(text: str) -> list[int]:
    """Where characters begin, in UTF-8 bytes, and the end."""
    places = [0]
    for character in text:
        places.append(places[-1] + len(character.encode()))
    return places


def document(*updates: bytes) -> Doc[Any]:
    """A fresh document that took *updates* in, one after the other."""
    doc: Doc[Any] = Doc()
    for update in updates:
        doc.apply_update(update)
    return doc


def canonical(doc: Doc[Any]) -> tuple[dict[int, int], str, bytes]:
    """What two documents have in common when they are the same: clocks, text, and encoding.

    The encoding is that of a fresh document, with clients in an order of their own.
    """
    fresh = document(doc.get_update())
    clocks = clocks_of(fresh.get_state())
    parts = [fresh.get_update(_all_but(client, clocks)) for client in sorted(clocks)]
    return clocks, text_of(fresh), b"".join(parts)


def _all_but(client: int, clocks: dict[int, int]) -> bytes:
    """A state vector that knows everything but what *client* wrote."""
    known = {other: clock for other, clock in clocks.items() if other != client}
    parts = [varuint(len(known))]
    for other, clock in known.items():
        parts += [varuint(other), varuint(clock)]
    return b"".join(parts)
