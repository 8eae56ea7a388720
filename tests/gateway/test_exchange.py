"""Exports and imports: there and back the same, and nothing that lies is let in."""

import asyncio
import json
import struct
import zipfile
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs import errors
from libs.contracts.events.workspaces import JOBS_OPEN_MAX, PACKAGES_OPEN_MAX
from libs.errors import AppError
from services.gateway.exchange import unpacking
from services.gateway.exchange.unpacking import Unpacking
from services.gateway.exchange.uploads import UPLOAD_BYTES_MAX, Uploads
from tests.gateway.exchange import (
    RICH,
    done,
    ended,
    exported,
    files_of,
    imported,
    novel,
    vouched,
    zipped,
)
from tests.gateway.support import Manuscript, Person, is_problem, some_id
from tests.support.waiting import until
from tools.stack import Stack


async def test_there_and_back(mary: Person, percy: Person, manuscript: Manuscript) -> None:
    """Whoever imports it, the next export of it is the same in every byte but for its date."""
    await novel(mary, manuscript)
    file = await exported(mary, manuscript.project["id"])

    job = await done(percy, await imported(percy, file))

    again = files_of(await exported(percy, job["projectId"]))
    files = files_of(file)
    manifests = [json.loads(each.pop("manifest.json")) for each in (files, again)]
    assert again == files
    assert manifests[0]["files"] == manifests[1]["files"]
    assert sorted(files) == [
        "scenes/000003.md", "scenes/000003.yjs", "scenes/000004.md", "scenes/000004.yjs",
        "state.ndjson",
    ]  # fmt: skip
    assert files["scenes/000003.md"] == b"# Ice\n\n**[cold](x)** and far\n"
    assert files["scenes/000004.md"] == "Hot 🐧".encode()
    state = files["state.ndjson"]
    assert manuscript.project["id"].encode() not in state
    assert mary.id.encode() not in state
    project = (await percy.get(f"/api/projects/{job['projectId']}")).json()
    assert (project["name"], project["role"]) == ("Frankenstein", "OWNER")


async def test_zipped_anew_it_is_still_good(mary: Person, manuscript: Manuscript) -> None:
    """In another order, stored instead of compressed, with a file that a desktop added."""
    await novel(mary, manuscript)
    files = files_of(await exported(mary, manuscript.project["id"]))
    mixed = {"__MACOSX/._x": b"x", **dict(sorted(files.items(), reverse=True))}

    job = await done(
        mary, await imported(mary, zipped(mixed, zipfile.ZIP_STORED), params={"name": "Anew"})
    )

    assert (await mary.get(f"/api/projects/{job['projectId']}")).json()["name"] == "Anew"
    assert files_of(await exported(mary, job["projectId"]))["scenes/000003.yjs"] == RICH


HEAD = b'{"format":"scriptorium.project/1","name":"N","kinds":{"book":1,"chapter":1,"scene":1}}\n'
STATE = HEAD + (
    b'{"kind":"book","id":1,"fields":{"title":"B"}}\n'
    b'{"kind":"chapter","id":2,"parent":1,"fields":{"title":"C"}}\n'
    b'{"kind":"scene","id":3,"parent":2,"fields":{"title":"S"}}\n'
)
GOOD = {"state.ndjson": STATE, "scenes/000003.yjs": RICH}


def _flipped() -> bytes:
    whole = zipped(vouched(GOOD), zipfile.ZIP_STORED)
    return whole.replace(b'"title":"S"', b'"title":"T"')


BAD: dict[str, tuple[bytes, int, str, str]] = {
    "nothing": (b"", 400, "PACKAGE_DAMAGED", "file"),
    "no zip": (b"PK but no zip file" * 9, 400, "PACKAGE_DAMAGED", "file"),
    "cut short": (zipped(vouched(GOOD))[:-30], 400, "PACKAGE_DAMAGED", "file"),
    "no manifest": (zipped(GOOD), 400, "PACKAGE_DAMAGED", "manifest.json"),
    "broken manifest": (
        zipped({**GOOD, "manifest.json": b"{"}), 400, "PACKAGE_DAMAGED", "manifest.json"
    ),
    "another format": (
        zipped(vouched(GOOD, format="scriptorium.project/9")),
        415, "UNSUPPORTED_FORMAT", "manifest.json",
    ),
    "another format inside": (
        zipped(vouched(GOOD | {"state.ndjson": STATE.replace(b"project/1", b"project/2")})),
        415, "UNSUPPORTED_FORMAT", "state.ndjson",
    ),
    "flipped": (_flipped(), 400, "PACKAGE_DAMAGED", "state.ndjson"),
    "wrong checksum": (
        zipped({**vouched(GOOD), "scenes/000003.yjs": RICH[:-1] + b"\x01"}),
        400, "PACKAGE_DAMAGED", "scenes/000003.yjs",
    ),
    "missing file": (
        zipped({k: v for k, v in vouched(GOOD).items() if k != "scenes/000003.yjs"}),
        400, "PACKAGE_DAMAGED", "scenes/000003.yjs",
    ),
    "no state": (
        zipped(vouched({"scenes/000003.yjs": RICH})), 400, "PACKAGE_DAMAGED", "state.ndjson"
    ),
    "text of no scene": (
        zipped(vouched(GOOD | {"scenes/000002.yjs": RICH})),
        400, "PACKAGE_DAMAGED", "scenes/000002.yjs, thing 2",
    ),
    "no first line": (
        zipped(vouched({"state.ndjson": STATE.removeprefix(HEAD)})),
        400, "PACKAGE_DAMAGED", "state.ndjson",
    ),
    "a thing is missing": (
        zipped(vouched({"state.ndjson": STATE.rpartition(b'{"kind":"scene"')[0]})),
        400, "PACKAGE_DAMAGED", "state",
    ),
    "unknown kind": (
        zipped(vouched({"state.ndjson": STATE.replace(b'"kind":"scene"', b'"kind":"motif"')})),
        422, "UNKNOWN_NAME", "state.ndjson, thing 3",
    ),
    "unknown kind counted": (
        zipped(vouched({"state.ndjson": STATE.replace(b'"scene":1', b'"motif":1')})),
        422, "UNKNOWN_NAME", "state.ndjson",
    ),
    "bad field": (
        zipped(vouched({"state.ndjson": STATE.replace(b'"title":"C"', b'"title":""')})),
        400, "VALIDATION_FAILED", "state.ndjson, thing 2",
    ),
    "circle": (
        zipped(vouched({"state.ndjson": STATE.replace(b'"parent":2', b'"parent":3')})),
        400, "VALIDATION_FAILED", "state.ndjson, thing 3",
    ),
    "too long a line": (
        zipped(vouched({"state.ndjson": HEAD + b'"' + b"x" * (2 << 20)})),
        413, "TOO_LARGE", "state.ndjson",
    ),
    "another compression": (
        zipped(vouched(GOOD), zipfile.ZIP_LZMA), 400, "PACKAGE_DAMAGED", "manifest.json"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_file_is_refused_with_its_place(mary: Person, name: str) -> None:
    """Before anything of it can be seen."""
    file, status, code, at = BAD[name]
    before = (await mary.get("/api/projects")).json()["items"]

    answer = await imported(mary, file)

    assert is_problem(answer, status, code)
    assert answer.json()["at"] == at
    assert (await mary.get("/api/projects")).json()["items"] == before


async def test_a_bad_text_fails_the_job(mary: Person) -> None:
    """What only a document can tell is seen by the job, before it writes anything."""
    for bad in (b"no yjs", RICH[:-3], b"\x01\x01" + b"\xff" * 40):
        files = GOOD | {"scenes/000003.yjs": bad}

        job = await ended(mary, await imported(mary, zipped(vouched(files))))

        assert (job["status"], job["step"]) == ("failed", "checking")
        assert (job["error"]["code"], job["error"]["at"]) == ("VALIDATION_FAILED", 3)
    assert (await mary.get("/api/projects")).json()["items"] == []


def test_bombs_are_not_unpacked(tmp_path: Any) -> None:
    """What a file says of itself is enough to refuse it."""
    patch = pytest.MonkeyPatch()
    path = tmp_path / "x.zip"
    with patch.context() as limits:
        limits.setattr(unpacking, "UNPACKED_BYTES_MAX", 10_000)
        path.write_bytes(zipped({"state.ndjson": bytes(20_000), "manifest.json": b"{}"}))
        with path.open("rb") as file, pytest.raises(errors.TooLarge):
            Unpacking(file)
        limits.setattr(unpacking, "FILES_MAX", 3)
        path.write_bytes(zipped({f"{n}": b"" for n in range(4)}))
        with path.open("rb") as file, pytest.raises(errors.TooLarge):
            Unpacking(file)
    whole = bytearray(zipped(vouched(GOOD)))
    struct.pack_into("<I", whole, whole.rindex(b"PK\x05\x06") + 12, 1 << 30)
    path.write_bytes(whole)
    with path.open("rb") as file, pytest.raises(errors.TooLarge):
        Unpacking(file)


@given(
    st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 255)), min_size=1, max_size=4),
    st.integers(0, 2_000),
)
def test_damage_anywhere_is_refused_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]], cut: int
) -> None:
    """Whatever happened to a file: it reads as it was written, or it is refused with a code."""
    whole = bytearray(zipped(vouched(GOOD)))
    for place, value in changes:
        whole[place % len(whole)] = value
    body = bytes(whole[: len(whole) - cut] if cut < 100 else whole)
    path = tmp_path_factory.getbasetemp() / "damaged.zip"
    path.write_bytes(body)
    with path.open("rb") as file:
        try:
            opened = Unpacking(file)
            found = {name: b"".join(opened.chunks(name)) for name in opened.names}
        except AppError:
            return
    assert found.items() <= GOOD.items()


async def test_too_large_is_said_before_it_is_sent(stack: Stack, mary: Person) -> None:
    """By the length that it claims to have."""
    host = httpx.URL(stack.gateways[0])
    reader, writer = await asyncio.open_connection(host.host, host.port)
    writer.write(
        b"POST /api/projects/import HTTP/1.1\r\nHost: x\r\nContent-Type: application/zip\r\n"
        + f"Authorization: Bearer {mary.access_token}\r\n".encode()
        + f"Content-Length: {UPLOAD_BYTES_MAX + 1}\r\n\r\nPK".encode()
    )

    async with asyncio.timeout(10):
        answer = await reader.readline()

    assert b" 413 " in answer
    writer.close()


class TestPlaces:
    """What came to nothing keeps none of the places that a person has for exports and imports."""

    async def test_refused_imports_leave_none(self, mary: Person, manuscript: Manuscript) -> None:
        """Whatever they are refused for, before, while and after they are sent."""
        told = STATE.replace(b'"scene":1', b'"scene":2')
        refusals = [zipped(vouched({"state.ndjson": told}))] + [
            BAD[name][0] for name in ("text of no scene", "wrong checksum", "flipped")
        ]
        for file in [refusals[0]] * (PACKAGES_OPEN_MAX + 1) + refusals * 6:
            assert is_problem(await imported(mary, file), 400, "PACKAGE_DAMAGED")

        await done(mary, await imported(mary, zipped(vouched(GOOD))))
        assert await exported(mary, manuscript.project["id"])

    async def test_jobs_that_failed_leave_none(self, mary: Person, manuscript: Manuscript) -> None:
        """A text that is none is found by the job, when the import was answered long ago."""
        file = zipped(vouched(GOOD | {"scenes/000003.yjs": b"no yjs"}))
        for _ in range(PACKAGES_OPEN_MAX // JOBS_OPEN_MAX + 1):
            jobs = [await imported(mary, file) for _ in range(JOBS_OPEN_MAX)]
            for each in jobs:
                assert (await ended(mary, each))["status"] == "failed"

        assert await exported(mary, manuscript.project["id"])

    async def test_exports_that_nobody_reads_leave_none(
        self, mary: Person, manuscript: Manuscript
    ) -> None:
        """Whoever asks and leaves."""
        url = httpx.URL(str(mary.http.base_url))
        head = (
            f"GET /api/projects/{manuscript.project['id']}/export HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {mary.access_token}\r\n\r\n"
        ).encode()
        for number in range(PACKAGES_OPEN_MAX + 5):
            _, writer = await asyncio.open_connection(url.host, url.port)
            writer.write(head)
            await writer.drain()
            await asyncio.sleep(0.002 * number)
            writer.transport.abort()

        async def works() -> bool:
            path = f"/api/projects/{manuscript.project['id']}/export"
            return (await mary.get(path)).status_code == 200

        await until(works, 10)


def test_what_is_read_is_counted(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small file that inflates a thousand times is given up; each reading of it counts."""
    path = tmp_path / "x.zip"
    path.write_bytes(zipped(vouched({"state.ndjson": HEAD, "files/x": bytes(1 << 20)})))
    monkeypatch.setattr(unpacking, "INFLATED_BYTES_FREE", 1 << 19)
    with path.open("rb") as file, pytest.raises(errors.TooLarge) as refused:
        for _ in Unpacking(file).chunks("files/x"):
            pass
    assert refused.value.data["at"] == "files/x"
    monkeypatch.setattr(unpacking, "INFLATED_BYTES_FREE", 3 << 19)
    with path.open("rb") as file:
        opened = Unpacking(file)
        assert sum(map(len, opened.chunks("files/x"))) == 1 << 20
        with pytest.raises(errors.TooLarge):
            list(opened.chunks("files/x"))


async def test_nobody_takes_all_places_for_files() -> None:
    """The files that one person sends, however slowly, leave room for those of others."""
    uploads, one, other = Uploads(), some_id(), some_id()

    def body() -> Any:
        class Nothing:
            async def parts(self) -> AsyncGenerator[bytes]:
                yield b"x"

        return Nothing()

    async with uploads.receive(body(), one), uploads.receive(body(), one):
        with pytest.raises(errors.RateLimited):
            async with uploads.receive(body(), one):
                pass
        async with uploads.receive(body(), other):
            pass
    async with uploads.receive(body(), one):
        pass
