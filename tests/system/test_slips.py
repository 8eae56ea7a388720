"""What an operator types wrongly: one sentence that names the slip, and an exit code that is not 0.

The commands run in this process, because a hundred processes would take minutes.
"""

import asyncio
import contextlib
import io
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.people import People
from tests.support.stack import real_stack
from tools.cli.__main__ import main
from tools.stack import Stack
from tools.stack.services import ROOT

NOBODY = "01a22cf0-31ec-7192-82a9-605145d7f3e9"
"""The id of nothing."""
SHORT = "2cf24dba5fb0"
DIGEST = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
"""Of `hello`, which is stored."""


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    async with real_stack(tmp_path_factory.mktemp("slips")) as running:
        yield running


@pytest.fixture(scope="module")
async def project(stack: Stack) -> str:
    """Somebody's project with one blob."""
    async with People(stack.url) as people:
        person = await people.join("Mary")
        made = await person.project()
        stored = await person.http.post(f"/api/projects/{made}/blobs", content=b"hello")
        assert stored.json()["sha256"] == DIGEST
    return made


async def run(*words: str) -> tuple[int, str]:
    """Exit code and all that was said."""

    def work() -> tuple[int, str]:
        said, code = io.StringIO(), 0
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            sys.argv = ["scriptorium", *words]
            try:
                main()
            except SystemExit as end:
                code = int(end.code or 0)
        return code, said.getvalue()

    before = sys.argv
    try:
        return await asyncio.to_thread(work)
    finally:
        sys.argv = before


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (f"blobs stat PROJECT {SHORT}", "has 12 characters; a SHA-256 has 64"),
        (f"blobs stat PROJECT {'z' * 64}", "is no SHA-256"),
        ("blobs stat PROJECT", "name a project and a SHA-256, or neither"),
        (f"blobs stat {NOBODY} {DIGEST}", f"there is no project {NOBODY}"),
        (f"blobs usage {NOBODY}", "there is no project"),
        (f"blobs quota {NOBODY} 5G", "there is no project"),
        ("blobs quota PROJECT 5GB", "'5GB' is not a size"),
        ("blobs quota PROJECT 99999999999T", "more than any storage holds"),
        (f"blobs collect --project {NOBODY}", "there is no project"),
        (f"blobs verify --project {NOBODY}", "there is no project"),
        (f"blobs verify --blob {SHORT}", "has 12 characters"),
        (f"blobs undelete PROJECT {SHORT} --reason x", "has 12 characters"),
        (f"blobs undelete PROJECT {DIGEST} --reason EMPTY", "reason: String should have at least"),
        (f"blobs archive PROJECT {SHORT}", "has 12 characters"),
        (f"blobs reconcile {NOBODY}", "there is no project"),
        ("blobs quarantine --project x", "valid UUID"),
        ("collab inspect PROJECT", "there is no scene"),
        ("collab verify PROJECT", "there is no scene"),
        ("collab repair PROJECT", "there is no scene"),
        ("collab compact PROJECT", "there is no scene"),
        ("collab snapshot PROJECT", "there is no scene"),
        ("collab verify", "name scenes, or give --all"),
        (f"events inspect {NOBODY}", "no aggregate and no event with this id"),
        (f"events search --project {NOBODY}", "there is no project"),
        ("events search --since yesterday", "is no time in RFC 3339"),
        ("events search --since 2026-01-01T00:00:00", "has no time zone"),
        (f"events verify --project {NOBODY}", "there is no project"),
        ("events export --out /nonexistent/x", "cannot write /nonexistent/x"),
        (f"events purge --project {NOBODY} --yes", "there is no project"),
        ("events purge --older-than 99999999 --yes", "older_than_days"),
        (f"events purges --project {NOBODY}", "there is no project"),
        ("events republish --since x", "is no time in RFC 3339"),
        ("events rebuild --into public", "cannot be the name"),
        (f"events quarantine list --project {NOBODY}", "there is no project"),
        (f"events quarantine show {NOBODY} 99999999999999", "less than or equal to"),
        (f"events quarantine recover {NOBODY} 1 BINARY --reason x", "is not UTF-8 text"),
        (f"events quarantine recover {NOBODY} 1 /nonexistent --reason x", "cannot read /nonex"),
        (f"events quarantine accept {NOBODY} 1 --reason x", "is not in quarantine"),
        ("dlq show 1", "there is no dead letter 1"),
        ("dlq show 99999999999999999999999", "less than or equal to"),
        ("dlq drop 1 --yes", "there is no dead letter 1"),
        ("dlq replay", "give the numbers of dead letters, or --all"),
        ("dlq replay 7 --all", "give the numbers of dead letters, or --all"),
        (f"migrate rest-to-yjs --script-id {NOBODY} --dry-run", "there is no script"),
        ("migrate rest-to-yjs --all --from /nonexistent", "No such file"),
        ("migrate rest-to-yjs --all --from BINARY", "not of the expected form"),
        ("migrate rest-to-yjs --all --report /nonexistent/x", "there is no folder /nonexistent"),
        ("migrate content-to-blobs --dry-run --report /nonexistent/x", "there is no folder"),
        ("migrate content-to-blobs --report /tmp", "/tmp is a folder"),
        ("events search --nats-url nats://127.0.0.1:1", "the bus cannot be reached: "),
        ("dlq list --nats-url nats://a:b@127.0.0.1:nowhere", "the bus cannot be reached: "),
        ("logs nobody", "no log of 'nobody'"),
        ("backup --archive BINARY", "is not a directory"),
        ("backup --archive BINARY/archive", "is not a directory"),
        ("backup --archive EMPTY", "the name of the folder is empty"),
        ("backup --archive /tmp/x --keep 0", "greater than or equal to 1"),
        ("restore --archive /nonexistent", "is not empty"),
    ],
)
async def test_a_slip_is_named(
    line: str, told: str, stack: Stack, project: str, tmp_path: Path
) -> None:
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    places = {"PROJECT": project, "EMPTY": "", "BINARY": str(binary)}
    words = [places.get(word, word).replace("BINARY", str(binary)) for word in line.split()]

    code, said = await run(*words, "--data-dir", str(stack.data_dir))

    assert code != 0
    assert told in " ".join(said.split())
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("status --data-dir /nonexistent", "nothing runs on /nonexistent"),
        ("down --data-dir FILE", "nothing runs on"),
        ("logs x --data-dir FILE", "no log of 'x'"),
        ("events search --data-dir /nonexistent", "no scriptorium runs on /nonexistent"),
        ("backup --archive /tmp/x --data-dir /nonexistent", "no scriptorium runs on"),
        ("restore --archive /nonexistent --data-dir NEW", "/nonexistent holds no back-up"),
        ("restore --archive /nonexistent --data-dir FILE", "is not a directory"),
        ("restore --archive /nonexistent --data-dir NEW --at 2026-13-01", "is no time"),
        ("status --data-dir EMPTY", "the name of the folder is empty"),
        ("demo --url nonsense", "missing an 'http://'"),
        ("demo --url http://127.0.0.1:1", "nothing answers at"),
        ("nonsense", "No such command"),
        ("blobs nonsense", "No such command"),
    ],
)
async def test_a_slip_without_a_stack_is_named(line: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    places = {"FILE": str(tmp_path / "file"), "NEW": str(tmp_path / "new"), "EMPTY": ""}

    code, said = await run(*(places.get(word, word) for word in line.split()))

    assert code != 0
    assert told in " ".join(said.split())
    assert not (tmp_path / "new").exists()


async def test_capitals_are_no_slip(stack: Stack, project: str) -> None:
    """Windows prints a SHA-256 so."""
    words = ("blobs", "stat", project, DIGEST.upper(), "--data-dir", str(stack.data_dir))

    code, said = await run(*words)

    assert (code, said.split()[0]) == (0, DIGEST)


async def test_times_have_a_zone(stack: Stack, project: str) -> None:
    """Of every command that prints some, so that they can be compared, and given to another."""
    async with People(stack.url) as people:
        person = await people.join("Percy")
        theirs = await person.project()
        scene = await person.scene(theirs)
        await person.ask("PUT", f"/api/scenes/{scene}/content", format="text", content="Rain.")
        gone = await person.http.delete(f"/api/projects/{theirs}", headers={"If-Match": "*"})
        assert gone.is_success, gone.text
    told = list[str]()
    for line in (
        f"blobs stat {project} {DIGEST}",
        "blobs stat",
        f"collab inspect {scene}",
        f"events inspect {theirs}",
        f"events search --project {theirs}",
        f"events purge --project {theirs} --older-than 0 --dry-run",
    ):
        code, said = await run(*line.split(), "--data-dir", str(stack.data_dir))
        assert code == 0, said
        told += re.findall(r"\d{4}-\d\d-\d\d[T ][\d:.]+[^\s,;)\"]*", said)

    assert len(told) > 8
    assert [each for each in told if not re.fullmatch(r"\S+(Z|[+-]\d\d:\d\d)", each)] == []
    # Those that take damage to be seen are written by the same function.
    commands = [path.read_text() for path in (ROOT / "tools/cli/operate").glob("*.py")]
    assert sum(len(re.findall(r"\.isoformat\(|%H", each)) for each in commands) == 1
