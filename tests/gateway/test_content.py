"""The text of a scene over HTTP."""

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


async def test_bad_content_is_refused_with_its_place(path: str, mary: Person):
    bad = [
        {"format": "yjs", "content": "not base64!"},
        {"format": "text", "content": "x", "baseStateVector": "~"},
        {"format": "text"},
        {"format": "yjs", "content": b64encode(b"nonsense").decode()},
    ]
    for body in bad:
        assert is_problem(await mary.ask("PUT", path, json=body), 400, "VALIDATION_FAILED")
    latin = await mary.ask("PUT", path, content=b"\xff\xfe", headers={"Content-Type": "text/plain"})
    assert is_problem(latin, 400, "VALIDATION_FAILED")
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
