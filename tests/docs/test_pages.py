"""What our pages tell people to type works: each page's blocks are executed, in order.

A page may use what it tells its reader to have: `TOKEN`, `URL`, `PROJECT` and so on, as `reader`
sets them. What a page says of `http://127.0.0.1:8300` is done to the system of this test.
"""

import asyncio
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.docs.pages import ELSEWHERE, READ, ROOT, RUN, SHOWN, Block, blocks, pages
from tests.support.people import People
from tests.support.stack import NO_SEARCH, real_stack
from tests.support.waiting import until
from tools.stack import Stack
from tools.stack import postgres as binaries

PAGE_S_MAX = 240
EDITS = 30
LONG = {"docs/runbooks/back-up-and-recovery.md"}
"""Starts systems of its own."""
BEFORE = """\
set -eu -o pipefail; set -a
curl() { command curl --silent --show-error --fail-with-body --retry 5 --max-time 60 "$@"; }
"""
AFTER = {
    "README.md": """
for (let tries = 0; ; tries++) {
  const path = `http://127.0.0.1:8300/api/scenes/${scene}/content?format=text`
  const answer = await fetch(path, { headers: { Authorization: `Bearer ${token}` } })
  if ((await answer.text()).startsWith('You will rejoice')) process.exit(0)
  if (tries > 100) throw new Error('what was typed is not there')
  await new Promise((done) => setTimeout(done, 100))
}""",
    "docs/application-socket.md": """
const log = console.log
console.log = (...said) => { log(...said); process.exit(0) }
setTimeout(() => doc.getText('content').insert(0, 'Rain. '), 1000)
setTimeout(() => { throw new Error('no acknowledgement came') }, 20000)""",
    "docs/files.md": """
for (let tries = 0; !sha256; tries++) {
  if (tries > 100) throw new Error('no SHA-256 came')
  await new Promise((done) => setTimeout(done, 100))
}""",
    "docs/sync.md": """
const said = canonical({ b: [1, null], a: { d: 'x', c: true } })
if (said !== '{"a":{"c":true,"d":"x"},"b":[1,null]}') throw new Error(said)""",
}
"""What a reader would look at after the JavaScript of a page."""
EVERYWHERE = "import { WebSocket as Socket } from 'ws'\nglobalThis.WebSocket ??= Socket\n"
"""What pages take from the browser, and Node.js has only since version 22."""
IMPORTS = {
    "docs/application-socket.md": "import * as Y from 'yjs'\nconst doc = new Y.Doc()",
    "docs/files.md": (
        "import * as tus from 'tus-js-client'\nlet sha256\n"
        "const file = Object.assign(Buffer.from('a map'), { name: 'map.txt', type: 'text/plain' })"
    ),
}
"""What the reader of a page has around its JavaScript."""
NAMES = (
    *("url", "token", "project", "scene", "projectId", "sceneId", "userId", "name"),
    *("TOKEN", "URL", "PROJECT", "SCENE", "SHA256"),
)

ALL = [block for page in pages() for block in blocks(page)]
RUNNABLE = [
    pytest.param(page, marks=[pytest.mark.long] if page in LONG else [])
    for page in pages()
    if any(block.language in RUN and not block.reason for block in blocks(page))
]


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    folder = tmp_path_factory.mktemp("docs")
    settings = {"SCRIPTORIUM_COLD_URL": (folder / "cold").as_uri(), "SCRIPTORIUM_EMBEDDER": "none"}
    replicas = {**NO_SEARCH, "indexer": 1, "ai": 1}
    async with real_stack(folder, replicas=replicas, environment=settings) as running:
        yield running


@pytest.fixture(scope="module")
async def reader(stack: Stack) -> dict[str, str]:
    """What a reader has when a page begins: an account, a token, a project with a scene."""
    async with People(stack.url) as people:
        mary = await people.join("Mary")
        named = {"name": "docs", "scopes": ["write", "admin"]}
        token = (await mary.ask("POST", "/api/tokens", **named))["token"]
        project = await mary.project()
        scene = await mary.scene(project)
        for number in range(EDITS):
            content = {"format": "text", "content": f"Draft {number} of many."}
            await mary.ask("PUT", f"/api/scenes/{scene}/content", **content)
        stored = await mary.http.post(f"/api/projects/{project}/blobs", content=b"hello")
    return {
        **dict.fromkeys(("TOKEN", "token"), token),
        **dict.fromkeys(("PROJECT", "project", "projectId"), project),
        **dict.fromkeys(("SCENE", "scene", "sceneId"), scene),
        **dict.fromkeys(("URL", "url"), stack.url),
        "SHA256": stored.json()["sha256"],
        "userId": mary.id,
        "name": "Mary",
        "BLOBS_OWNER_URL": stack.postgres_url("blobs", "blobs_owner"),
    }


@pytest.fixture
def desk(reader: dict[str, str], tmp_path: Path) -> Path:
    """The folder in which a reader types: with files, and our command."""
    programs = tmp_path / "bin"
    programs.mkdir()
    shutil.copy(Path(__file__).with_name("scriptorium.sh"), programs / "scriptorium")
    (tmp_path / "node_modules").symlink_to(ROOT / "tests/clients/node_modules")
    (tmp_path / "map.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 200)
    row = ("01a22cf0-31ec-7192-82a9-605145d7f3e9", reader["PROJECT"], reader["userId"])
    path = f"users/{reader['userId']}/notes/a.txt"
    (tmp_path / "contents.csv").write_text(f"{','.join(row)},{path},text/plain,\\x68656c6c6f21\n")
    return tmp_path


@pytest.mark.parametrize("block", ALL, ids=lambda block: f"{block.page}:{block.line}")
def test_every_block_says_what_it_is(block: Block) -> None:
    """A block of an unknown kind would be looked at by nobody."""
    assert block.language in RUN | READ | SHOWN | ELSEWHERE, "name the language of this block"
    if block.language in ELSEWHERE:
        assert block.reason, "say why it is not run: <!-- not run: ... -->"


@pytest.mark.parametrize(
    "block",
    [block for block in ALL if block.language in READ],
    ids=lambda block: f"{block.page}:{block.line}",
)
def test_json_is_json(block: Block) -> None:
    text = block.text.strip()
    while text:
        _, end = json.JSONDecoder().raw_decode(text)
        text = text[end:].strip()


@pytest.mark.parametrize("page", RUNNABLE)
async def test_what_a_page_says_works(
    page: str, stack: Stack, reader: dict[str, str], desk: Path
) -> None:
    environment = {
        **os.environ,
        **reader,
        "PATH": os.pathsep.join(
            (
                *(f"{desk}/bin", f"{ROOT}/.venv/bin", f"{ROOT}/.tools/bin"),
                *(str(binaries.find_binaries()), os.environ["PATH"]),
            )
        ),
        "DATA_DIR": str(stack.data_dir),
        "ROOT": str(ROOT),
    }
    lines = [BEFORE]
    for block in blocks(page):
        if block.reason or block.language not in RUN:
            continue
        text = _here(block.text, stack, desk)
        if block.language == "js":
            file = desk / f"line{block.line}.mjs"
            file.write_text(_script(page, text, stack, desk))
            text = f"node {file}\n"
        lines.append(f"echo '--- {page}, line {block.line}'\n{text}")
    (desk / "page.sh").write_text("".join(lines))

    process = await asyncio.create_subprocess_exec(
        *("bash", "page.sh"),
        cwd=desk,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(PAGE_S_MAX):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
        await _stop_what_was_started(desk)
    assert process.returncode == 0, said.decode()


async def _stop_what_was_started(desk: Path) -> None:
    started = desk / "started"
    for pid in map(int, started.read_text().split() if started.exists() else ()):
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGTERM)
        await until(lambda pid=pid: not psutil.pid_exists(pid), PAGE_S_MAX)


def _script(page: str, text: str, stack: Stack, desk: Path) -> str:
    # What an imported name would clash with is left out.
    own = "".join(
        f"const {name} = process.env[{name!r}]\n" for name in NAMES if f"const {name} " not in text
    )
    after = _here(AFTER.get(page, ""), stack, desk)
    return f"{EVERYWHERE}{IMPORTS.get(page, '')}\n{own}{text}{after}\n"


def _here(text: str, stack: Stack, desk: Path) -> str:
    """The same about the system of this test."""
    address = stack.url.removeprefix("http://")
    return text.replace("127.0.0.1:8300", address).replace("/backup/", f"{desk}/backup/")
