"""The text of a scene over HTTP."""

import json
from base64 import b64decode, b64encode

import pytest
from pycrdt import Doc, Text

from libs.contracts.actor import Role
from tests.gateway.support import Manuscript, Person, is_problem

TEXT = "You will rejoice to hear 🐧 that no disaster has accompanied"


@pytest.fixture
def path(manuscript: Manuscript) -> str:
    return f"/api/scenes/{manuscript.scene['id']}/content"


def text_of(update: bytes) -> str:
    doc: Doc[Text] = Doc()
    doc.apply_update(update)
    return str(doc.get("content", type=Text))


async def test_written_text_reads_back_in_every_format(path: str, mary: Person):
    written = await mary.ask("PUT", path, json={"format": "text", "content": TEXT})
    as_text = await mary.get(path)
    as_yjs = await mary.get(path, params={"format": "yjs"})

    assert written.status_code == 200, written.text
    assert written.json()["changed"] is True
    assert as_text.text == TEXT
    assert as_text.headers["content-type"] == "text/plain; charset=utf-8"
    assert int(as_text.headers["scriptorium-seq"]) == written.json()["seq"]
    assert b64decode(as_text.headers["scriptorium-state-vector"], validate=True)
    assert as_yjs.headers["content-type"] == "application/octet-stream"
    assert text_of(as_yjs.content) == TEXT


async def test_a_known_text_is_not_sent_again(path: str, mary: Person):
    await mary.ask("PUT", path, json={"format": "text", "content": TEXT})
    tag = (await mary.get(path)).headers["etag"]

    again = await mary.get(path, headers={"If-None-Match": tag})

    assert (again.status_code, again.content) == (304, b"")


async def test_an_edit_from_an_older_text_merges(path: str, mary: Person):
    """What others wrote since is kept."""
    await mary.ask("PUT", path, json={"format": "text", "content": "one two"})
    base = (await mary.get(path)).headers["scriptorium-state-vector"]
    await mary.ask("PUT", path, json={"format": "text", "content": "zero one two"})
    body = {"format": "text", "content": "one two three", "baseStateVector": base}
    merged = await mary.ask("PUT", path, json=body)

    assert merged.status_code == 200, merged.text
    assert (await mary.get(path)).text == "zero one two three"


async def test_raw_bodies_are_taken_as_they_are(path: str, mary: Person):
    plain = await mary.ask(
        "PUT", path, content=TEXT.encode(), headers={"Content-Type": "text/plain"}
    )
    doc: Doc[Text] = Doc()
    doc["content"] = Text("raw ")
    binary = await mary.ask(
        "PUT",
        path,
        content=doc.get_update(),
        headers={"Content-Type": "application/octet-stream"},
    )

    assert (plain.status_code, binary.status_code) == (200, 200), binary.text
    text = (await mary.get(path)).text
    assert TEXT in text
    assert "raw " in text


async def test_unknown_formats_are_415(path: str, mary: Person):
    for form in ("docx", "", "TEXT"):
        assert is_problem(await mary.get(path, params={"format": form}), 415, "UNSUPPORTED_FORMAT")
    put = await mary.ask("PUT", path, json={"format": "docx", "content": ""})
    assert is_problem(put, 415, "UNSUPPORTED_FORMAT")
    odd = await mary.ask("PUT", path, content=b"x", headers={"Content-Type": "image/png"})
    assert is_problem(odd, 415, "UNSUPPORTED_FORMAT")

    known = (await mary.get(path, params={"format": "docx"})).json()["formats"]
    assert known == ["text", "markdown", "blocks", "prosemirror", "yjs"]


BLOCKS = [
    {"type": "scene-heading", "children": [{"text": "INT. LAB 🧪"}]},
    {"type": "action", "n": 1, "children": [{"text": "It "}, {"text": "moves", "italic": True}]},
]


async def test_blocks_are_read_in_every_format(path: str, mary: Person):
    """Written as JSON or as a string of JSON; each format has its media type and its own ETag."""
    first = await mary.ask("PUT", path, json={"format": "blocks", "content": BLOCKS})
    again = await mary.ask("PUT", path, json={"format": "blocks", "content": json.dumps(BLOCKS)})
    raw = await mary.ask(
        "PUT",
        path,
        content=json.dumps(BLOCKS).encode(),
        headers={"Content-Type": "application/vnd.scriptorium.blocks+json"},
    )
    found = {
        form: await mary.get(path, params={"format": form})
        for form in ("text", "markdown", "blocks", "prosemirror", "yjs")
    }

    assert first.json()["changed"] is True, first.text
    assert [again.json()["changed"], raw.json()["changed"]] == [False, False], raw.text
    assert found["blocks"].json() == BLOCKS
    assert found["text"].text == "INT. LAB 🧪\nIt moves"
    assert found["markdown"].text == "## INT. LAB 🧪\n\nIt *moves*\n"
    assert found["prosemirror"].json()["content"][1]["attrs"] == {"n": 1}
    kinds = [answer.headers["content-type"].partition(";")[0] for answer in found.values()]
    assert kinds == [
        "text/plain",
        "text/markdown",
        "application/json",
        "application/json",
        "application/octet-stream",
    ]
    assert len({answer.headers["etag"] for answer in found.values()}) == len(found)


async def test_markdown_is_sent_as_it_is_and_merges_from_its_base(path: str, mary: Person):
    """A base works for every format as it does for text."""
    await mary.ask("PUT", path, json={"format": "blocks", "content": BLOCKS})
    base = (await mary.get(path)).headers["scriptorium-state-vector"]
    plain = await mary.ask(
        "PUT",
        path,
        content="## INT. LAB 🧪\n\nIt *moves* again\n".encode(),
        headers={"Content-Type": "text/markdown"},
    )
    wanted = [{**BLOCKS[0], "children": [{"text": "INT. OLD LAB 🧪"}]}, BLOCKS[1]]
    body = {"format": "blocks", "content": wanted, "baseStateVector": base}
    merged = await mary.ask("PUT", path, json=body)

    assert (plain.status_code, merged.status_code) == (200, 200), merged.text
    assert (await mary.get(path)).text == "INT. OLD LAB 🧪\nIt moves again"
    found = (await mary.get(path, params={"format": "blocks"})).json()
    assert (found[0]["type"], found[1]["n"]) == ("scene-heading", 1)


async def test_unparsable_content_names_its_place_and_changes_nothing(path: str, mary: Person):
    """A line and column in JSON that is none, else the path of what is wrong."""
    await mary.ask("PUT", path, json={"format": "blocks", "content": BLOCKS})
    for body, place in (
        ({"format": "blocks", "content": "[\n{]"}, "line 2, column 2"),
        ({"format": "blocks", "content": [BLOCKS[0], {"children": 3}]}, "content[1].children"),
        ({"format": "prosemirror", "content": {"type": "x"}}, "content.type"),
        ('{"format":"blocks","content":[{"n":[1, NaN]}]}', "content[0].n[1]"),
        ('{"format":"blocks","content":[' + "9" * 400 + "]}", "content[0]"),
        ('{"format":\n "😀😀",]', "line 2, column 9"),
        ("", "line 1, column 1"),
        ({"format": "yjs", "content": "AAA!"}, "offset 3"),
        ({"format": "yjs", "content": "AAAAA"}, "offset 5"),
        ({"format": "text", "content": "x", "baseStateVector": "~"}, "offset 0"),
        ({"format": "yjs", "content": b64encode(b"\x01\x01\x05\x00\x04\x01").decode()}, "byte 4"),
    ):
        raw = body if isinstance(body, str) else json.dumps(body)
        json_type = {"Content-Type": "application/json"}
        answer = await mary.ask("PUT", path, content=raw.encode(), headers=json_type)
        assert is_problem(answer, 400, "VALIDATION_FAILED"), answer.text
        assert answer.json()["at"] == place
    for form in ("text", "markdown", "yjs"):
        answer = await mary.ask("PUT", path, json={"format": form, "content": []})
        assert is_problem(answer, 400, "VALIDATION_FAILED")
    assert (await mary.get(path, params={"format": "blocks"})).json() == BLOCKS


async def test_large_content_is_taken_in_pieces(path: str, mary: Person):
    """Larger than one edit may be, in several rows of the log."""
    wanted = "It was a dark and stormy night. 🌩 \n" * 50_000
    answer = await mary.ask(
        "PUT", path, content=wanted.encode(), headers={"Content-Type": "text/plain"}
    )

    assert answer.status_code == 200, answer.text
    assert answer.json()["seq"] > 10
    assert (await mary.get(path)).text == wanted


async def test_bad_content_is_refused_with_its_place(path: str, mary: Person):
    assert is_problem(
        await mary.ask("PUT", path, json={"format": "text"}), 400, "VALIDATION_FAILED"
    )
    latin = await mary.ask("PUT", path, content=b"\xff\xfe", headers={"Content-Type": "text/plain"})
    assert is_problem(latin, 400, "VALIDATION_FAILED")
    assert latin.json()["at"] == "byte 0"
    assert (await mary.get(path)).text == ""


async def test_too_large_is_refused_before_it_is_read(path: str, mary: Person):
    huge = await mary.ask(
        "PUT", path, content=b"x" * (5 << 20), headers={"Content-Type": "text/plain"}
    )

    assert is_problem(huge, 413, "TOO_LARGE")
    assert (await mary.get("/api/me")).status_code == 200


async def test_readers_read_and_strangers_see_nothing(
    path: str, manuscript: Manuscript, mary: Person, percy: Person
):
    write = {"format": "text", "content": "x"}
    assert is_problem(await percy.get(path), 404, "NOT_FOUND")
    assert is_problem(await percy.ask("PUT", path, json=write), 404, "NOT_FOUND")
    await manuscript.welcome(percy, Role.READER)

    assert (await percy.get(path)).status_code == 200
    assert is_problem(await percy.ask("PUT", path, json=write), 403, "FORBIDDEN")
    await mary.ask("DELETE", path.removesuffix("/content"), params={"baseVersion": 1})
    assert is_problem(await mary.get(path), 404, "NOT_FOUND")
    assert is_problem(await mary.ask("PUT", path, json=write), 404, "NOT_FOUND")
