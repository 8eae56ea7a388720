"""What was read is changed and sent back: only that changes, and the rest is not even shown."""

import json
from typing import Any

import pytest
from pycrdt import Doc, Text

from libs.contracts.collab.content import ContentFormat
from libs.contracts.editors import BuiltIn, SceneEditor
from services.collab import formats, updates
from services.collab.formats import CannotHold

TIPTAP = SceneEditor(name=BuiltIn.TIPTAP)
TEXT, MARKDOWN, PROSEMIRROR = ContentFormat.TEXT, ContentFormat.MARKDOWN, ContentFormat.PROSEMIRROR

type Json = Any


def paragraph(*content: str | Json) -> Json:
    return {
        "type": "paragraph",
        "content": [
            {"type": "text", "text": one} if isinstance(one, str) else one for one in content
        ],
    }


def marked(text: str, *marks: Json) -> Json:
    return {"type": "text", "text": text, "marks": list(marks)}


def listed(*items: list[Json]) -> Json:
    return {
        "type": "bulletList",
        "content": [{"type": "listItem", "content": content} for content in items],
    }


def scene(*content: Json) -> bytes:
    body = json.dumps({"type": "doc", "content": content}).encode()
    update = formats.rewrite(updates.EMPTY, PROSEMIRROR, body, TIPTAP)
    assert update is not None
    return update


def read(state: bytes, form: ContentFormat) -> str:
    return formats.render(state, form, TIPTAP).decode()


def content(state: bytes) -> list[Json]:
    return json.loads(read(state, PROSEMIRROR))["content"]


def changed(state: bytes, form: ContentFormat, old: str, new: str) -> bytes:
    """The state after a tool read it, replaced something, and sent it back."""
    body = read(state, form)
    assert old in body, body
    wanted = body.replace(old, new, 1)
    update = formats.rewrite(state, form, wanted.encode(), TIPTAP)
    assert update is not None
    after = updates.merge([state, update])
    assert read(after, form) == wanted
    return after


CELL: Json = {"type": "tableCell", "attrs": {"colspan": 1, "rowspan": 1}}
HEAD: Json = {"type": "tableHeader", "attrs": {"colspan": 1, "rowspan": 1, "colwidth": [90]}}
UNDERLINED = [
    paragraph(marked("born", {"type": "underline"})),
    paragraph(marked("Mary ", {"type": "bold"}), "in ", marked("1797", {"type": "underline"})),
]
HIDDEN: dict[str, Json] = {
    "a table without heads": {
        "type": "table",
        "content": [
            {"type": "tableRow", "content": [CELL | {"content": [paragraph("Mary")]}]},
            {"type": "tableRow", "content": [CELL | {"content": [paragraph("eighteen")]}]},
        ],
    },
    "a table with heads": {
        "type": "table",
        "content": [
            {"type": "tableRow", "content": [HEAD | {"content": [one]} for one in UNDERLINED]},
            {"type": "tableRow", "content": [CELL | {"content": [one]} for one in UNDERLINED]},
        ],
    },
    "a table of one cell": {
        "type": "table",
        "content": [{"type": "tableRow", "content": [HEAD | {"content": [paragraph("Mary")]}]}],
    },
    "a task list": {
        "type": "taskList",
        "content": [
            {"type": "taskItem", "attrs": {"checked": done}, "content": [paragraph(text)]}
            for text, done in (("ink", True), ("Mary", False))
        ],
    },
    "a container that nobody knows": {
        "type": "callout",
        "attrs": {"tone": "secret"},
        "content": [paragraph("Mary lies."), paragraph("He knows.")],
    },
    "a mention": paragraph(
        "We ask ", {"type": "mention", "attrs": {"id": "u1", "label": "Ada"}}, " about Mary."
    ),
    "colours and alignment": {
        "type": "paragraph",
        "attrs": {"textAlign": "right"},
        "content": [marked("Mary", {"type": "textStyle", "attrs": {"color": "red"}})],
    },
    "an element with text in a line": paragraph(
        "Mary, ", {"type": "hashtag", "content": [{"type": "text", "text": "#storm"}]}, "!"
    ),
}


@pytest.mark.parametrize("form", [TEXT, MARKDOWN])
@pytest.mark.parametrize("name", HIDDEN)
def test_one_word_is_one_word(name: str, form: ContentFormat):
    """Whatever the format does not show of what is around it."""
    state = scene(paragraph("Before."), HIDDEN[name], paragraph("After."))
    was = read(state, PROSEMIRROR)

    after = changed(state, form, "Mary", "Maria")

    assert read(after, PROSEMIRROR) == was.replace("Mary", "Maria", 1)


def test_a_column_stays_what_it_is():
    """Whatever is written in it, and whichever is put beside it."""
    state = scene(HIDDEN["a table with heads"])

    after = changed(state, MARKDOWN, "| born |", "| died |")
    rows = read(after, MARKDOWN).splitlines()
    wide = "\n".join(f"{row} {new} |" for row, new in zip(rows, ("a", "---", "b"), strict=True))
    after = changed(after, MARKDOWN, "\n".join(rows), wide)

    heads = content(after)[0]["content"][0]["content"]
    assert [head.get("attrs", {}).get("colwidth") for head in heads] == [[90], [90], None]
    assert heads[1]["content"] == [UNDERLINED[1]]


def test_empty_heads_stay_until_somebody_writes_in_them():
    """Markdown writes a table without heads alike."""
    empty = [HEAD | {"content": [paragraph()]} for _ in range(2)]
    rows = HIDDEN["a table with heads"]["content"]
    state = scene(
        HIDDEN["a table with heads"] | {"content": [{**rows[0], "content": empty}, rows[1]]}
    )

    body = changed(state, MARKDOWN, "Mary", "Maria")
    assert content(body)[0]["content"][0]["content"] == content(state)[0]["content"][0]["content"]
    named = changed(changed(body, MARKDOWN, "|  |  |", "| State | Name |"), MARKDOWN, "---", ":-:")
    [state_head, name_head] = content(named)[0]["content"][0]["content"]
    assert (state_head["attrs"]["align"], state_head["attrs"]["colwidth"]) == ("center", [90])
    assert name_head["content"] == [paragraph("Name")]
    assert content(named)[0]["content"][1]["content"][0]["content"] == [UNDERLINED[0]]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Ada Lovelaces", "Ada Lovelace and her"),
        ("(Ada Lovelaces)", "Mary and Ada Lovelace, "),
        ("We ask ", "They asked"),
        ("We ask (Ada Lovelaces) about", "Lovelace (of Ada Lovelaces)"),
    ],
)
def test_a_mention_stays_when_text_changes_that_touches_it(old: str, new: str):
    """In plain text it reads as its label, which is part of a word then."""
    mention = {"type": "mention", "attrs": {"id": "u1", "label": "Ada Lovelace"}}
    state = scene(paragraph("We ask (", mention, "s) about Mary."))

    [line] = content(changed(state, TEXT, old, new))

    assert mention in line["content"]


def test_a_mention_goes_with_its_label():
    """What reads otherwise than it does is other text."""
    mention = {"type": "mention", "attrs": {"id": "u1", "label": "Ada Lovelace"}}
    state = scene(paragraph("We ask (", mention, "s) about Mary."))

    [line] = content(changed(state, TEXT, "Lovelace", "Byron"))

    assert line == paragraph("We ask (Ada Byrons) about Mary.")


@pytest.mark.parametrize("form", [TEXT, MARKDOWN])
def test_what_replaces_something_takes_its_marks(form: ContentFormat):
    """The whole word, though both share a letter, and nothing beside it."""
    red = {"type": "textStyle", "attrs": {"color": "red"}}
    state = scene(paragraph("Then ", marked("Mary ", red), "came in."))

    after = changed(changed(state, form, "Mary", "Anna"), form, "came", "went")

    assert content(after) == [paragraph("Then ", marked("Anna ", red), "went in.")]
    # Letters before those that both words have are no insertion after the word before.
    after = changed(after, form, "Anna", "JoAnna")
    assert content(after) == [paragraph("Then ", marked("JoAnna ", red), "went in.")]


@pytest.mark.parametrize("form", [TEXT, MARKDOWN])
def test_what_is_inserted_stands_where_it_was_put(form: ContentFormat):
    """Inside of a container between its blocks, outside of it behind the last."""
    between = "\n" if form is TEXT else "\n\n"
    callout = HIDDEN["a container that nobody knows"]
    state = scene(paragraph("Before."), callout, paragraph("After."))

    after = changed(state, form, "Mary lies.", f"Mary lies.{between}A silence.")
    after = changed(after, form, "He knows.", f"He knows.{between}Outside.")

    assert [one["type"] for one in content(after)] == [
        "paragraph",
        "callout",
        "paragraph",
        "paragraph",
    ]
    assert len(content(after)[1]["content"]) == 3
    assert content(after)[2] == paragraph("Outside.")


def test_a_line_after_an_item_is_an_item():
    """In text a list is lines; a new one is as its neighbour, but not ticked."""
    state = scene(HIDDEN["a task list"], paragraph("After."))

    after = changed(state, TEXT, "Mary", "Mary\npaper")

    assert [item["attrs"]["checked"] for item in content(after)[0]["content"]] == [
        True,
        False,
        False,
    ]


def test_an_item_that_loses_its_line_gives_way_to_what_is_below_it():
    """A list item that began with a list would be deleted by the editor."""
    inner = listed([paragraph("The letters.")])
    state = scene(listed([paragraph("Pack."), inner], [paragraph("Lock it.")]))

    after = changed(state, TEXT, "Pack.\n", "")

    assert content(after) == [listed([paragraph("The letters.")], [paragraph("Lock it.")])]


@pytest.mark.parametrize("form", [TEXT, MARKDOWN])
def test_what_is_moved_keeps_what_is_not_shown(form: ContentFormat):
    """A paragraph that was cut and pasted has its colours still."""
    state = scene(HIDDEN["colours and alignment"], *map(paragraph, ("One.", "Two.", "Three.")))
    rows = read(state, form).rstrip("\n").split("\n" if form is TEXT else "\n\n")
    sent = ("\n" if form is TEXT else "\n\n").join([*rows[1:], rows[0]])

    update = formats.rewrite(state, form, sent.encode(), TIPTAP)
    assert update is not None

    found = content(updates.merge([state, update]))
    assert [one["content"][0]["text"] for one in found] == ["One.", "Two.", "Three.", "Mary"]
    assert found[3]["content"] == HIDDEN["colours and alignment"]["content"]


@pytest.mark.parametrize("editor", [BuiltIn.TIPTAP, BuiltIn.BLOCKNOTE])
def test_an_element_is_copied_with_its_token(editor: BuiltIn):
    """A video that is there twice is two of them."""
    named = SceneEditor(name=editor)
    body = b'[{"type":"video","src":"https://example.org/a"},{"type":"paragraph","text":"One."}]'
    state = formats.rewrite(updates.EMPTY, ContentFormat.BLOCKS, body, named)
    assert state
    shown = formats.render(state, MARKDOWN, named).decode()
    token = shown.splitlines()[0]

    wanted = f"{token}\n\n{shown}\n{token}\n"
    update = formats.rewrite(state, MARKDOWN, wanted.encode(), named)

    assert update
    after = updates.merge([state, update])
    assert formats.render(after, MARKDOWN, named).decode() == wanted
    got = json.loads(formats.render(after, ContentFormat.BLOCKS, named))
    video = "https://example.org/a"
    assert [one.get("src") for one in got] == [video, video, None, video]


def test_an_element_goes_with_its_token():
    """And comes back where the token is put."""
    state = scene(HIDDEN["a mention"], paragraph("Here: "))
    token = read(state, MARKDOWN).split("We ask ")[1].split(" about")[0]
    assert token.startswith("[Ada](scriptorium:")

    gone = changed(state, MARKDOWN, f"{token} ", "")
    moved = changed(
        state, MARKDOWN, f"{token} about Mary.\n\nHere:", f"about Mary.\n\nHere: {token}"
    )

    assert "mention" not in read(gone, PROSEMIRROR)
    assert content(moved)[1]["content"][1] == HIDDEN["a mention"]["content"][1]


def test_what_would_read_otherwise_is_refused_with_its_place():
    """Tiptap has pictures between paragraphs only; nothing is written, and nothing is flattened."""
    state = scene(paragraph("One."), paragraph("Two."))

    with pytest.raises(CannotHold) as refused:
        formats.rewrite(state, MARKDOWN, b"One.\n\nTwo ![x](y.png) three.\n", TIPTAP)

    assert refused.value.place.startswith("line ")


@pytest.mark.parametrize(
    ("form", "sent", "place"),
    [
        (MARKDOWN, b"One.\n\nTwo ~~three~~.\n", "line 3"),
        (
            ContentFormat.BLOCKS,
            b'[{"type":"quote","children":[{"text":"x","strikethrough":true}]}]',
            "content[0]",
        ),
        (
            PROSEMIRROR,
            b'{"type":"doc","content":[{"type":"code_block","content":[CODE]}]}'.replace(
                b"CODE", b'{"type":"text","text":"x","marks":[{"type":"strong"}]}'
            ),
            "content[0].children[0]",
        ),
    ],
)
def test_a_mark_that_an_editor_has_not_is_refused_with_its_place(
    form: ContentFormat, sent: bytes, place: str
):
    """What was struck through would read as if it were not: nothing is lost in silence."""
    with pytest.raises(CannotHold) as refused:
        formats.rewrite(updates.EMPTY, form, sent, SceneEditor(name=BuiltIn.PROSEMIRROR))

    assert refused.value.place == place


def test_a_mark_that_markdown_does_not_show_gives_way_to_code():
    """Whoever makes a code block of underlined words does not see that they are."""
    state = scene(paragraph(marked("One.", {"type": "underline"})))
    after = changed(state, MARKDOWN, "One.", "```\nOne.\n```")

    assert [one["type"] for one in content(after)] == ["codeBlock"]
    assert "underline" not in read(after, PROSEMIRROR)


@pytest.mark.parametrize("editor", [BuiltIn.PLAIN, BuiltIn.QUILL])
def test_a_byte_order_mark_in_a_document_is_none_of_its_text(editor: BuiltIn):
    """It stays where an editor put it, and nobody has to send it back."""
    named = SceneEditor(name=editor)
    doc = Doc[Any]()
    written = doc.get("quill" if editor is BuiltIn.QUILL else "content", type=Text)
    written += "\ufeffOne\nTwo\n"
    state = doc.get_update()

    assert formats.render(state, TEXT, named) == b"One\nTwo" + b"\n" * (editor is BuiltIn.PLAIN)
    for form in (TEXT, MARKDOWN):
        got = formats.render(state, form, named)
        assert formats.rewrite(state, form, got, named) is None
        update = formats.rewrite(state, form, got.replace(b"Two", b"2"), named)
        assert update
        after = Doc[Any]()
        after.apply_update(updates.merge([state, update]))
        assert str(after.get(next(iter(doc.keys())), type=Text)) == "\ufeffOne\n2\n"


@pytest.mark.parametrize("line_end", ["\r\n", "\r"])
def test_the_same_text_with_other_line_ends_is_no_edit(line_end: str):
    """Nor is it with a byte order mark."""
    state = scene(paragraph("Line one"), paragraph("Line two"))
    for form in (TEXT, MARKDOWN):
        sent = "\ufeff" + read(state, form).replace("\n", line_end)

        assert formats.rewrite(state, form, sent.encode(), TIPTAP) is None


@pytest.mark.parametrize("editor", BuiltIn)
def test_what_only_markdown_knows_comes_back(editor: BuiltIn):
    """No editor has footnotes and front matter; each keeps what stands for them."""
    named = SceneEditor(name=editor)
    source = (
        "---\ntitle: The Modern Prometheus\n---\n\nHe woke.[^1] *Slowly.*\n\n"
        '[map]: https://example.org/map "A map"\n\n[^1]: In November.\n'
    )

    update = formats.rewrite(updates.EMPTY, MARKDOWN, source.encode(), named)
    assert update is not None
    edited = source.replace("woke", "slept").encode()
    more = formats.rewrite(update, MARKDOWN, edited, named)
    assert more is not None

    assert formats.render(update, MARKDOWN, named).decode() == source
    assert formats.render(updates.merge([update, more]), MARKDOWN, named) == edited


@pytest.mark.parametrize("form", [TEXT, MARKDOWN])
def test_a_cell_is_not_deleted_by_its_line(form: ContentFormat):
    """Its place in the row is needed, so the scene would read an empty line that nobody sent.

    A row that loses all of its lines goes.
    """
    cells = [[CELL | {"content": [paragraph(text)]} for text in row] for row in ("ab", "cd")]
    rows = [{"type": "tableRow", "content": row} for row in cells]
    state = scene(paragraph("One."), {"type": "table", "content": rows}, paragraph("Two."))
    between = "\n\n" if form is MARKDOWN else "\n"

    after = changed(state, form, f"c{between}d{between}", "")
    with pytest.raises(CannotHold):
        changed(state, form, f"d{between}", "")

    assert [len(row["content"]) for row in content(after)[1]["content"]] == [2]
