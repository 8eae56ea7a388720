"""What every storage promises: one suite for all."""

import asyncio
import os
import threading
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from libs import errors
from libs.contracts.ids import new_id
from services.blobs.model.keys import new_key
from services.blobs.storage import Credentials, Missing, Storage, open_storage
from services.blobs.storage.local import LocalStorage
from tests.support.s3 import CREDENTIALS
from tools.stack.ports import LOOPBACK, choose_port

PROJECT = UUID(int=7)


@pytest.fixture(params=["local", "rclone", "behind a door that heeds conditions", "minio"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    match request.param:
        case "local":
            url = tmp_path.as_uri()
        case "rclone":
            url = request.getfixturevalue("bucket")
        case "minio":
            url = request.getfixturevalue("minio_bucket")
        case _:
            url = request.getfixturevalue("heeding_bucket")
    return open_storage(url, CREDENTIALS)


def put(storage: Storage, data: bytes, *, part: int = 1 << 20) -> str:
    key = new_key(PROJECT)
    writer = storage.writer(key)
    for start in range(0, len(data), part):
        writer.write(data[start : start + part])
    writer.commit()
    return key


def get(storage: Storage, key: str, start: int, length: int) -> bytes:
    with closing(storage.reader(key, start, length)) as reader:
        return b"".join(iter(lambda: reader.read(100_000), b""))


@pytest.mark.parametrize("size", [0, 1, 1 << 20, 8 << 20, (8 << 20) + 1, (20 << 20) + 7])
def test_what_was_written_is_read(storage: Storage, size: int):
    """Below, at and above the size from which S3 takes parts."""
    data = os.urandom(size)

    key = put(storage, data)

    assert storage.size(key) == size
    assert get(storage, key, 0, size) == data


def test_a_part_is_read(storage: Storage):
    data = os.urandom(300_000)
    key = put(storage, data)

    assert get(storage, key, 100_001, 150_000) == data[100_001:250_001]
    assert get(storage, key, 299_999, 1) == data[-1:]


def test_behind_the_end_there_is_nothing(storage: Storage):
    """An object that lost its end is damaged, and not away: whoever reads it gets too little."""
    key, empty = put(storage, b"0123456789"), put(storage, b"")

    assert get(storage, key, 8, 100) == b"89"
    assert get(storage, key, 10, 5) == b""
    assert get(storage, key, 1000, 5) == b""
    assert get(storage, empty, 0, 5) == b""
    with pytest.raises(Missing):
        storage.reader(new_key(PROJECT), 1000, 5)


def test_nothing_is_there_before_the_commit(storage: Storage):
    """Whoever reads or lists sees whole objects only."""
    key = new_key(PROJECT)
    writer = storage.writer(key)
    writer.write(os.urandom(9 << 20))

    assert storage.size(key) is None
    assert key not in {each.key for each in storage.list(prefix=key)}
    with pytest.raises(Missing):
        storage.reader(key, 0, 1)

    writer.commit()
    assert storage.size(key) == 9 << 20


@pytest.mark.parametrize("size", [100, 9 << 20])
def test_what_was_aborted_never_was(storage: Storage, size: int):
    key = new_key(PROJECT)
    writer = storage.writer(key)
    writer.write(os.urandom(size))
    writer.abort()
    writer.abort()

    assert storage.size(key) is None
    assert storage.list(prefix=key) == []


def test_a_writer_that_was_taken_for_dead_cannot_commit(storage: Storage):
    """A frozen process wakes up behind the sweeper: its parts are gone, and so is its object."""
    key = new_key(PROJECT)
    writer = storage.writer(key)
    writer.write(os.urandom(9 << 20))
    storage.delete([key])

    with pytest.raises(errors.Unavailable):
        writer.commit()
    writer.abort()
    assert storage.size(key) is None


def test_deleting_is_for_good_and_may_be_repeated(storage: Storage):
    kept, *gone = (put(storage, b"x" * 10) for _ in range(4))

    storage.delete(gone)
    storage.delete(gone)
    storage.delete([])

    assert [storage.size(key) for key in gone] == [None, None, None]
    assert storage.size(kept) == 10
    with pytest.raises(Missing):
        storage.reader(gone[0], 0, 1)


def test_all_are_listed_in_order_page_by_page(storage: Storage):
    project = new_id()
    keys = sorted(new_key(project) for _ in range(25))
    for number, key in enumerate(keys):
        writer = storage.writer(key)
        writer.write(b"x" * number)
        writer.commit()

    listed, after = list[str](), ""
    while page := storage.list(prefix=f"{project}/", after=after, limit=10):
        assert len(page) <= 10
        listed += [each.key for each in page]
        after = listed[-1]

    assert listed == keys
    sizes = {each.key: each.size for each in storage.list(prefix=f"{project}/")}
    assert sizes == {key: number for number, key in enumerate(keys)}
    assert abs(storage.list(prefix=f"{project}/")[0].modified_at.timestamp() - time.time()) < 3600


@pytest.mark.parametrize(
    "key",
    [
        "",
        "x",
        "../../etc/passwd",
        f"{PROJECT}/aa/../../x",
        f"{PROJECT}/aa/{'a' * 31}/",
        "/etc/passwd",
    ],
)
def test_only_our_own_keys_are_keys(storage: Storage, key: str):
    with pytest.raises(ValueError, match="not a key"):
        storage.writer(key)
    with pytest.raises(ValueError, match="not a key"):
        storage.reader(key, 0, 1)
    with pytest.raises(ValueError, match="not a key"):
        storage.size(key)
    with pytest.raises(ValueError, match="not a key"):
        storage.delete([key])


async def test_many_threads_at_once(storage: Storage):
    blobs = [os.urandom(100_000) for _ in range(16)]
    keys = await asyncio.gather(*(asyncio.to_thread(put, storage, each) for each in blobs))
    read = await asyncio.gather(*(asyncio.to_thread(get, storage, key, 0, 100_000) for key in keys))

    assert read == blobs


def test_it_answers_that_it_is_there(storage: Storage):
    storage.check()


def test_presigned_urls_let_anybody_in_and_only_there(storage: Storage):
    """A client's own way to storage, where it has one; the directory has none."""
    data = os.urandom(1000)
    key, sent = put(storage, data), new_key(PROJECT)
    get_url = storage.presign_get(key, ttl_s=60, media_type="text/plain", disposition="attachment")
    put_url = storage.presign_put(sent, ttl_s=60, size=4)
    if isinstance(storage, LocalStorage):
        assert (get_url, put_url) == (None, None)
        return
    assert get_url
    assert put_url

    answer = httpx.get(get_url)
    assert (answer.status_code, answer.content) == (200, data)
    assert httpx.get(get_url.replace(key, put(storage, b"other"))).status_code == 403
    assert httpx.put(put_url, content=b"five!").status_code == 403
    assert httpx.put(put_url, content=b"four").status_code == 200
    assert get(storage, sent, 0, 4) == b"four"


def test_a_storage_that_is_away_is_said_to_be():
    """Not that there is no such object: then a blob would be taken for lost."""
    nobody = f"s3://bucket?endpoint=http://{LOOPBACK}:{choose_port(set())}"
    storage = open_storage(nobody, CREDENTIALS)
    key = new_key(PROJECT)

    with pytest.raises(errors.Unavailable):
        storage.size(key)
    with pytest.raises(errors.Unavailable):
        storage.reader(key, 0, 1)
    with pytest.raises(errors.Unavailable):
        put(storage, b"x")


PAGE = b"<html><body>404 Not Found: nginx</body></html>"


@contextmanager
def answering(status: int, body: bytes) -> Generator[str]:
    """Something that answers every request the same."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = do_PUT = answer  # noqa: N815 (the library's names)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer((LOOPBACK, 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"s3://bucket?endpoint=http://{LOOPBACK}:{server.server_port}"
        server.shutdown()


def _error(code: str) -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>".encode()


@pytest.mark.parametrize(
    ("body", "is_known"),
    [(PAGE, False), (b"", False), (_error("NoSuchBucket"), False), (_error("NoSuchKey"), True)],
    ids=["a page", "nothing", "no bucket", "no object"],
)
def test_only_storage_itself_says_that_an_object_is_not_there(body: bytes, is_known: bool):
    """A proxy before it that does not find it answers 404, too; so does one without a bucket."""
    key = new_key(PROJECT)
    with answering(404, body) as url:
        storage = open_storage(url, CREDENTIALS)
        if is_known:
            assert storage.size(key) is None
            assert storage.mark() is None
            with pytest.raises(Missing):
                storage.reader(key, 0, 1)
            with pytest.raises(Missing):
                storage.reader(key, 0, 0)
            return
        for ask in (
            lambda: storage.size(key),
            lambda: storage.reader(key, 0, 1),
            lambda: storage.reader(key, 0, 0),
            storage.mark,
            storage.check,
        ):
            with pytest.raises(errors.Unavailable):
                ask()


def test_a_bucket_that_is_gone_is_away(s3_endpoint: str):
    storage = open_storage(f"s3://no-such-bucket?endpoint={s3_endpoint}", CREDENTIALS)
    for ask in (storage.check, storage.mark, lambda: storage.size(new_key(PROJECT))):
        with pytest.raises(errors.Unavailable):
            ask()


def test_a_folder_that_is_gone_is_away(tmp_path: Path):
    """It was moved, as when it is not mounted: that says nothing of what is in it."""
    folder = tmp_path / "mounted"
    folder.mkdir()
    storage = LocalStorage(str(folder))
    key = put(storage, b"here")
    folder.rename(tmp_path / "away")

    for ask in (
        lambda: storage.size(key),
        lambda: storage.reader(key, 0, 1),
        storage.list,
        lambda: storage.delete([key]),
        lambda: put(storage, b"x"),
        storage.check,
    ):
        with pytest.raises(errors.Unavailable):
            ask()
    (tmp_path / "away").rename(folder)
    assert get(storage, key, 0, 4) == b"here"


def test_a_mark_stays_and_is_no_object(storage: Storage):
    assert storage.mark() in {None, "first", "second"}
    for mark in ("first", "second"):
        storage.put_mark(mark)
        assert storage.mark() == mark
    assert all(each.key.count("/") == 2 for each in storage.list())


def test_links_lead_nowhere(tmp_path: Path):
    """Whoever can make a link in the directory reaches nothing outside with it."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    storage = LocalStorage(str(tmp_path / "blobs"))
    key = new_key(PROJECT)
    project, shard, name = key.split("/")
    folder = tmp_path / "blobs" / project
    folder.mkdir(parents=True)
    (folder / shard).symlink_to(outside)
    (outside / name).write_text("secret")

    with pytest.raises(Missing):
        storage.reader(key, 0, 6)
    assert storage.size(key) is None
    with pytest.raises(Missing):
        storage.writer(key)
    storage.delete([key])
    assert (outside / name).exists()


@pytest.mark.parametrize("url", ["", "/folder", "http://x", "s3:///x", "file://host", "file:x"])
def test_only_addresses_of_storages_are_taken(url: str):
    with pytest.raises(ValueError, match="storage"):
        open_storage(url, Credentials(None, None))
