"""PUTs in every format into scenes of every editor, opened by the real ones.

What was read is changed and sent back, as a tool does. The scene then reads what was sent, or the
PUT was refused; and the real editor changes not a byte of it and shows every word.
"""

import json
import re
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from libs.contracts.collab.content import ContentFormat
from libs.contracts.editors import BuiltIn, SceneEditor
from services.collab import formats, updates
from services.collab.formats import (
    BadContent,
    CannotHold,
    likeness,
    markdown,
    prosemirror,
    slate,
)
from services.collab.formats.tree import key_of
from tests.clients.editors.documents import Author
from tests.clients.editors.opening import RealEditors

REAL = {
    BuiltIn.TIPTAP: "tiptap2",
    BuiltIn.PROSEMIRROR: "prosemirror",
    BuiltIn.BLOCKNOTE: "blocknote",
    BuiltIn.SLATE: "slate",
    BuiltIn.PLATE: "plate",
    BuiltIn.LEXICAL: "lexical",
    BuiltIn.QUILL: "quill",
    BuiltIn.PLAIN: "codemirror",
}
"""The module of this folder that opens scenes of each built-in editor."""
FORMATS = (
    ContentFormat.TEXT,
    ContentFormat.MARKDOWN,
    ContentFormat.BLOCKS,
    ContentFormat.PROSEMIRROR,
)
QUICK, LONG = 12, 10_000
"""PUTs in each format into scenes of each editor."""
PUTS_OF_A_SCENE = 4
REFUSED_MAX = 0.25
"""Share of random PUTs that an editor may have no place for."""

_WORD = re.compile(r"\d+w")


@pytest.fixture(scope="module")
def editors() -> Iterator[RealEditors]:
    """One process for all of this page."""
    with RealEditors() as running:
        yield running


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("editor", BuiltIn)
def test_what_is_put_stays(editors: RealEditors, editor: BuiltIn, form: ContentFormat):
    """A dozen random edits of random documents."""
    _run(editors, editor, form, QUICK)


@pytest.mark.long
@pytest.mark.timeout(0)
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("editor", BuiltIn)
def test_ten_thousand_puts_stay(editors: RealEditors, editor: BuiltIn, form: ContentFormat):
    """The same ten thousand times."""
    _run(editors, editor, form, LONG)


def _run(editors: RealEditors, editor: BuiltIn, form: ContentFormat, puts: int) -> None:
    refused = 0
    named = SceneEditor(name=editor)
    for seed in range(puts // PUTS_OF_A_SCENE):
        pick = Random(f"{editor} {form} {seed}")
        author = Author(pick)
        state = begun(author, named)
        for step in range(PUTS_OF_A_SCENE):
            place = f"{editor} {form} seed {seed} step {step}"
            sent = _changed(formats.render(state, form, named), form, author)
            try:
                update = formats.rewrite(state, form, sent, named)
            except (CannotHold, BadContent):
                refused += 1
                continue
            if update is not None:
                state = updates.merge([state, update])
            assert _same(formats.render(state, form, named), sent, form), f"{place}: {sent!r}"
            opened = editors.open(REAL[editor], state)
            assert not opened.changed, f"{place}: {sent!r}"
            words = _WORD.findall(formats.render(state, ContentFormat.TEXT, named).decode())
            assert sorted(_WORD.findall(opened.text)) == sorted(words), f"{place}: {sent!r}"
    assert refused <= REFUSED_MAX * puts


def begun(author: Author, named: SceneEditor) -> bytes:
    """Return a scene with a random document, or lines of text where there is nothing but text."""
    if named.name == BuiltIn.PLAIN:
        body = "\n".join(f"line {number}w" for number in range(5)).encode()
        return formats.rewrite(updates.EMPTY, ContentFormat.TEXT, body, named) or updates.EMPTY
    while True:
        body = slate.render(author.document())
        try:
            begun = formats.rewrite(updates.EMPTY, ContentFormat.BLOCKS, body, named)
        except CannotHold:
            continue
        if begun is not None:
            return begun


def _same(got: bytes, sent: bytes, form: ContentFormat) -> bool:
    match form:
        case ContentFormat.TEXT:
            return got == sent
        case ContentFormat.MARKDOWN:
            return got == sent or key_of(markdown.parse(got.decode())) == key_of(
                markdown.parse(sent.decode())
            )
        case ContentFormat.BLOCKS:
            return likeness.says_the_same(slate.parse(got), slate.parse(sent))
        case _:
            return likeness.says_the_same(prosemirror.parse(got), prosemirror.parse(sent))


def _changed(body: bytes, form: ContentFormat, author: Author) -> bytes:
    if form in (ContentFormat.TEXT, ContentFormat.MARKDOWN):
        between = "\n" if form is ContentFormat.TEXT else "\n\n"
        text = body.decode().removesuffix("\n") if between == "\n\n" else body.decode()
        found = between.join(_rows(text.split(between), author, form))
        return (found + "\n" * (between == "\n\n" and bool(found))).encode()
    found = json.loads(body)
    children = found if form is ContentFormat.BLOCKS else found["content"]
    if children and children[0].get("type") == "blockGroup":
        children = children[0]["content"]
    _edited_blocks(children, author, form)
    return json.dumps(found, ensure_ascii=False).encode()


def _rows(rows: list[str], author: Author, form: ContentFormat) -> list[str]:
    """Return *rows* with one thing done to them that people do."""
    pick = author.pick
    at = pick.randrange(len(rows))
    new = f"new {author.next_word()}"
    match pick.randrange(5):
        case 0:
            return [*rows[:at], *rows[at + 1 :]] if len(rows) > 1 else rows
        case 1:
            block = new if form is ContentFormat.TEXT else pick.choice(_MARKDOWN).format(new)
            return [*rows[:at], block, *rows[at:]]
        case 2:
            other = pick.randrange(len(rows))
            rows[at], rows[other] = rows[other], rows[at]
            return rows
        case _:
            rows[at] = _WORD.sub(lambda _: author.next_word(), rows[at], count=1)
            return rows


_MARKDOWN = ("{}", "**{}**", "- {}", "> {}", "## {}", "1. {}\n2. *more*", "- [x] {}", "`{}`")


def _edited_blocks(children: list[Any], author: Author, form: ContentFormat) -> None:
    pick = author.pick
    key = "children" if form is ContentFormat.BLOCKS else "content"
    leaf = {} if form is ContentFormat.BLOCKS else {"type": "text"}
    new = {"type": "paragraph", key: [leaf | {"text": f"new {author.next_word()}"}]}
    at = pick.randrange(len(children) + 1)
    match pick.randrange(4):
        case 0 if len(children) > 1:
            children.pop(at - 1)
        case 1:
            children.insert(at, new)
        case 2 if children:
            children.insert(at, children.pop(pick.randrange(len(children))))
        case _:
            _reword(children, author)


def _reword(value: Any, author: Author) -> bool:
    """Change the first word that is found in *value*; whether there was one."""
    if isinstance(value, list):
        return any(_reword(one, author) for one in value)  # pyright: ignore[reportUnknownVariableType]
    if not isinstance(value, dict):
        return False
    text = value.get("text")  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    if isinstance(text, str) and _WORD.search(text):
        value["text"] = _WORD.sub(lambda _: author.next_word(), text, count=1)
        return True
    return any(_reword(value.get(key), author) for key in ("children", "content"))  # pyright: ignore[reportUnknownMemberType]
