"""Bodies that are too much: for the memory of a process, for a disk, for a name."""

import hashlib
import io
import os
import subprocess
import zipfile
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import zstandard

from tests.gateway.support import Manuscript, Person, is_problem
from tests.support.memory import forget_peak, peak_bytes
from tools.stack import Stack

MIB = 1 << 20
LARGE_BYTES = 256 * MIB
BOMB_BYTES = 1 << 30
"""What a bomb becomes."""
HELD_BYTES_MAX = 150_000_000
GROWTH_BYTES_MAX = 32 * MIB
PARTS = ("gateway-1", "blobs-1")


def sha(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


@pytest.fixture
def path(manuscript: Manuscript) -> str:
    return f"/api/projects/{manuscript.project['id']}/blobs"


@contextmanager
def held(stack: Stack) -> Generator[dict[str, int]]:
    """Fills in, at the end, what the processes on the way of bytes held at most meanwhile."""
    peaks: dict[str, int] = {}
    for part in PARTS:
        forget_peak(stack.pid(part))
    yield peaks
    peaks |= {part: peak_bytes(stack.pid(part)) for part in PARTS}


@pytest.mark.alone
async def test_a_large_file_passes_through_little_memory(mary: Person, path: str, stack: Stack):
    """Both ways, through both processes."""
    noise, sent, came = os.urandom(MIB), hashlib.sha256(), hashlib.sha256()

    async def body() -> AsyncGenerator[bytes]:
        for number in range(LARGE_BYTES // MIB):
            part = number.to_bytes(8) + noise[8:]
            sent.update(part)
            yield part

    with held(stack) as peaks:
        answer = await mary.ask("POST", path, content=body(), timeout=120)
        assert (answer.status_code, answer.json()["size"]) == (201, LARGE_BYTES)
        auth = {"Authorization": f"Bearer {mary.access_token}"}
        place = f"{path}/{sent.hexdigest()}"
        async with mary.http.stream("GET", place, headers=auth, timeout=120) as download:
            async for part in download.aiter_raw():
                came.update(part)

    assert came.digest() == sent.digest()
    assert max(peaks.values()) < HELD_BYTES_MAX, peaks


def zip_bomb() -> bytes:
    made, zeros = io.BytesIO(), bytes(MIB)
    with (
        zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a", "w", force_zip64=True) as file,
    ):
        for _ in range(BOMB_BYTES // MIB):
            file.write(zeros)
    return made.getvalue()


def zstd_bomb() -> bytes:
    made, zeros = io.BytesIO(), bytes(MIB)
    with zstandard.ZstdCompressor().stream_writer(made, size=BOMB_BYTES, closefd=False) as file:
        for _ in range(BOMB_BYTES // MIB):
            file.write(zeros)
    return made.getvalue()


@pytest.mark.parametrize(
    ("bomb", "media_type"), [(zip_bomb, "application/zip"), (zstd_bomb, "application/zstd")]
)
async def test_a_bomb_is_bytes_like_any(
    mary: Person, path: str, stack: Stack, bomb: Callable[[], bytes], media_type: str
):
    """Nobody looks inside: it is stored and comes back, and no process grows by what it becomes."""
    body = bomb()
    assert len(body) < BOMB_BYTES // 500
    with held(stack) as peaks:
        before = {part: peak_bytes(stack.pid(part)) for part in PARTS}
        answer = await mary.ask(
            "POST", f"{path}?fileName=bomb", content=body, headers={"Content-Type": media_type}
        )
        fetched = await mary.get(f"{path}/{sha(body)}?inline=true")

    assert answer.json()["size"] == len(body)
    assert fetched.content == body
    assert "content-encoding" not in fetched.headers
    assert fetched.headers["content-disposition"].startswith("attachment")
    for part in PARTS:
        assert peaks[part] - before[part] < GROWTH_BYTES_MAX, part
    packed = {"Content-Encoding": "zstd" if "zstd" in media_type else "gzip"}
    refused = await mary.ask("POST", path, content=body, headers=packed)
    assert is_problem(refused, 415, "UNSUPPORTED_FORMAT"), (
        "what is packed on its way is not unpacked"
    )


@pytest.fixture
def small_disk(manuscript: Manuscript, stack: Stack) -> Iterator[Path]:
    """What is stored of the project goes to a file system of 6 MiB."""
    folder = stack.data_dir / "blobs" / manuscript.project["id"]
    folder.mkdir(mode=0o700, parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)]
    tried = subprocess.run(mount, check=False, capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"file systems cannot be mounted here: {tried.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def files(folder: Path) -> int:
    return sum(each.is_file() for each in folder.rglob("*"))


def enlarge(folder: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=64m", str(folder)], check=True)


async def test_a_full_disk_is_a_clear_error(mary: Person, path: str, small_disk: Path):
    """In the middle of a write nothing becomes half visible; with room again it goes on."""
    body, kept = os.urandom(9 * MIB), os.urandom(MIB)
    assert (await mary.ask("POST", path, content=kept)).status_code == 201
    tus = {"Tus-Resumable": "1.0.0", "Upload-Length": str(len(body))}
    begun = await mary.ask("POST", path.replace("/blobs", "/uploads"), headers=tus)
    place = begun.headers["location"]

    async def go_on() -> tuple[int, int, str]:
        head = await mary.ask("HEAD", place, headers={"Tus-Resumable": "1.0.0"})
        offset = int(head.headers["upload-offset"])
        headers = {
            "Tus-Resumable": "1.0.0",
            "Upload-Offset": str(offset),
            "Content-Type": "application/offset+octet-stream",
        }
        answer = await mary.ask("PATCH", place, content=body[offset:], headers=headers)
        return answer.status_code, offset, answer.text

    whole = await mary.ask("POST", path, content=body)
    assert is_problem(whole, 507, "STORAGE_FULL")
    status, _, said = await go_on()
    assert (status, "STORAGE_FULL" in said) == (507, True)
    assert is_problem(await mary.get(f"{path}/{sha(body)}"), 404, "NOT_FOUND")
    assert (await mary.get(path.replace("/blobs", "/usage"))).json()["blobs"] == 1
    assert files(small_disk) == 1
    assert (await mary.get(f"{path}/{sha(kept)}")).content == kept
    assert (await mary.ask("POST", path, content=b"there is room for this")).status_code == 201

    enlarge(small_disk)
    assert (await go_on())[0] == 204
    assert (await mary.get(f"{path}/{sha(body)}")).content == body
    assert (await mary.ask("POST", path, content=body)).status_code == 200


async def test_a_name_of_a_thousand_characters_is_refused(mary: Person, path: str):
    """Wherever a name may be told; nothing is stored for it."""
    name, body = "n" * 1000, b"with a long name"
    digest = sha(body)
    assert is_problem(
        await mary.ask("POST", f"{path}?fileName={name}", content=body), 400, "VALIDATION_FAILED"
    )
    assert is_problem(await mary.get(f"{path}/{digest}"), 404, "NOT_FOUND")
    await mary.ask("POST", path, content=body)
    for answer in (
        await mary.get(f"{path}/{digest}?fileName={name}"),
        await mary.post(f"{path}/{digest}/url", {"fileName": name}),
    ):
        assert is_problem(answer, 400, "VALIDATION_FAILED")
