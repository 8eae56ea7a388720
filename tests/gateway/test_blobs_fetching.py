"""Blobs over HTTP are fetched whole and in ranges, and no browser runs what is in them."""

import os
from urllib.parse import quote, unquote

import pytest

from tests.gateway.blobs import NOISE, TEXT, blobs_of, sha, stored
from tests.gateway.support import Manuscript, Person, is_problem

PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452") + os.urandom(200)
HTML = b"<!doctype html><script>alert(1)</script>"
HOSTILE_NAMES = [
    "../../etc/passwd.txt".replace("/", "_"),
    'a"b;c\\d.txt',
    "naïve ¿ 手紙.txt",
    "x" * 250 + ".txt",
    "a%22b%0d%0aX-Evil: 1.txt",
    "\u202egpj.exe",
    "; filename=evil.html",
]


@pytest.fixture
def path(manuscript: Manuscript) -> str:
    return blobs_of(manuscript)


class TestFetching:
    @pytest.mark.parametrize(
        ("asked", "start", "end"),
        [
            ("bytes=0-0", 0, 1),
            ("bytes=0-", 0, None),
            ("bytes=100-199", 100, 200),
            ("bytes=1048570-1048590", 1048570, 1048591),
            ("bytes=-5", -5, None),
            ("bytes=3000000-99999999", 3_000_000, None),
        ],
    )
    async def test_ranges(self, mary: Person, path: str, asked: str, start: int, end: int | None):
        await stored(mary, path, NOISE)
        answer = await mary.get(f"{path}/{sha(NOISE)}", headers={"Range": asked})
        expected = NOISE[start:end]
        first = len(NOISE) + start if start < 0 else start

        assert answer.status_code == 206
        assert answer.content == expected
        last = first + len(expected) - 1
        assert answer.headers["content-range"] == f"bytes {first}-{last}/{len(NOISE)}"

    async def test_only_a_get_has_ranges(self, mary: Person, path: str):
        """A HEAD tells of the whole, also of one of which no byte is in the range."""
        await stored(mary, path, TEXT)
        for asked in ("bytes=0-1", f"bytes={len(TEXT)}-"):
            answer = await mary.ask("HEAD", f"{path}/{sha(TEXT)}", headers={"Range": asked})
            assert (answer.status_code, answer.headers["content-length"]) == (200, str(len(TEXT)))
            assert "content-range" not in answer.headers

    async def test_a_range_behind_the_end(self, mary: Person, path: str):
        await stored(mary, path, TEXT)
        answer = await mary.get(f"{path}/{sha(TEXT)}", headers={"Range": f"bytes={len(TEXT)}-"})

        assert is_problem(answer, 416, "RANGE_NOT_SATISFIABLE")
        assert answer.headers["content-range"] == f"bytes */{len(TEXT)}"

    async def test_if_range_and_if_none_match(self, mary: Person, path: str):
        await stored(mary, path, TEXT)
        url, tag = f"{path}/{sha(TEXT)}", f'"{sha(TEXT)}"'
        part = {"Range": "bytes=0-9"}

        assert (await mary.get(url, headers={**part, "If-Range": tag})).status_code == 206
        assert (await mary.get(url, headers={**part, "If-Range": '"other"'})).content == TEXT
        known = await mary.get(url, headers={"If-None-Match": tag})
        assert (known.status_code, known.content) == (304, b"")
        assert known.headers["etag"] == tag

    async def test_head_says_the_same_without_bytes(self, mary: Person, path: str):
        await stored(mary, path, TEXT)
        url = f"{path}/{sha(TEXT)}?fileName=a.txt"
        head, get = await mary.ask("HEAD", url), await mary.get(url)

        assert (head.status_code, head.content) == (200, b"")
        for name in ("content-length", "content-type", "etag", "content-disposition"):
            assert head.headers[name] == get.headers[name]
        missing = await mary.ask("HEAD", f"{path}/{sha(b'missing')}")
        assert (missing.status_code, missing.content) == (404, b"")

    @pytest.mark.parametrize("name", HOSTILE_NAMES)
    async def test_any_name_is_safe_in_the_answer(self, mary: Person, path: str, name: str):
        blob = await stored(mary, path, TEXT)
        answer = await mary.get(f"{path}/{blob['sha256']}", params={"fileName": name})
        if answer.status_code == 400:
            assert any(not each.isprintable() or each in "\\/" for each in name)
            return
        disposition = answer.headers["content-disposition"]

        assert answer.status_code == 200
        assert disposition.startswith("attachment; ")
        assert disposition.isascii() and "x-evil" not in answer.headers
        star = disposition.rpartition("filename*=UTF-8''")[2]
        assert unquote(star, errors="strict") == name
        plain = disposition.partition('filename="')[2].partition('"')[0]
        assert not set('"\\;') & set(plain)

    async def test_names_with_line_breaks_are_refused(self, mary: Person, path: str):
        blob = await stored(mary, path, TEXT)
        for name in ("a\r\nX-Evil: 1", "a\0b", "a\x7fb", ""):
            answer = await mary.get(f"{path}/{blob['sha256']}?fileName={quote(name)}")
            assert is_problem(answer, 400, "VALIDATION_FAILED")
            assert "x-evil" not in answer.headers

    async def test_only_harmless_types_are_shown_by_browsers(self, mary: Person, path: str):
        for body, declared, inline in (
            (PNG, "image/png", True),
            (HTML, "text/html", False),
            (HTML, "image/png", False),
            (b"<svg onload='alert(1)'></svg>", "image/svg+xml", False),
            (b"alert(1)", "text/javascript", False),
            (b"\0\1\2", "application/x-evil", False),
        ):
            blob = await stored(mary, path, body, headers={"Content-Type": declared})
            answer = await mary.get(f"{path}/{blob['sha256']}?inline=true")

            shown = answer.headers["content-disposition"].startswith("inline")
            assert shown is inline, (declared, answer.headers)
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "sandbox" in answer.headers["content-security-policy"]
            saved = await mary.get(f"{path}/{blob['sha256']}")
            assert saved.headers["content-disposition"].startswith("attachment")

    async def test_metadata(self, mary: Person, path: str):
        blob = await stored(mary, path, PNG, headers={"Content-Type": "image/png"})
        answer = await mary.get(f"{path}/{sha(PNG)}/metadata")

        assert answer.json() == blob
        assert (blob["mediaType"], blob["createdBy"]) == ("image/png", mary.id)
