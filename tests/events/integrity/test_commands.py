"""`scriptorium events` and `scriptorium dlq`, as an operator types them."""

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client
from typer.testing import CliRunner

from libs.bus import PoisonMessage, connect_broker, subscribe_facts
from libs.contracts.events.event import Announcement
from libs.contracts.ids import new_id
from libs.contracts.streams import DEAD_LETTERS, EVENTS
from libs.contracts.subjects import OPERATOR, fact, inbox
from libs.postgres import Pool
from tests.events.integrity.damage import flip
from tests.events.support import World
from tests.events.test_log import chain
from tools.cli.operate.dlq import dlq
from tools.cli.operate.events import events
from tools.stack import Stack, StackError

ROOT = Path(__file__).parents[3]


@dataclass
class Done:
    code: int
    out: str
    err: str


async def count(admin: Client) -> int:
    return (await admin.jetstream().stream_info(DEAD_LETTERS.name)).state.messages


async def scriptorium(stack: Stack, *words: object, answer: str = "") -> Done:
    """Run a command in a thread of this process, because a fresh one costs seconds."""
    group, *rest = [*map(str, words), "--data-dir", str(stack.data_dir)]
    commands = {"events": events, "dlq": dlq}[group]
    found = await asyncio.to_thread(CliRunner().invoke, commands, rest, answer)
    if found.exception and not isinstance(found.exception, SystemExit):
        assert isinstance(found.exception, StackError), found.exception
        return Done(1, found.stdout, f"scriptorium: {found.exception}\n")
    return Done(found.exit_code, found.stdout, found.stderr)


async def in_a_shell(stack: Stack, *words: object) -> Done:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tools.cli", *map(str, words), "--data-dir", str(stack.data_dir)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return Done(process.returncode or 0, out.decode(), err.decode())


async def test_from_finding_a_flaw_to_mending_it(
    stack: Stack, world: World, owner: Pool, tmp_path: Path
) -> None:
    book = await world.book("Moby")
    await world.change("book", book["id"], title="The Whale")
    original = await flip(owner, book["id"], 2)
    project = str(world.project_id)

    found = await scriptorium(stack, "events", "verify", "--project", project)
    assert found.code == 2
    assert f"! altered: version 2 of {book['id']}" in found.out
    listed = await scriptorium(stack, "events", "quarantine", "list", "--project", project)
    assert "open" in listed.out
    told = await scriptorium(stack, "events", "inspect", book["id"])
    assert "! " in told.out
    assert "[open]" in told.out
    bad = tmp_path / "bad.json"
    bad.write_text("{}")
    decide = ("events", "quarantine", "recover", book["id"], 2)
    refused = await scriptorium(stack, *decide, bad, "--reason", "x")
    assert refused.code == 1
    assert refused.err.count("\n") == 1

    good = tmp_path / "good.json"
    good.write_text(original.model_dump_json(by_alias=True))
    mended = await scriptorium(stack, *decide, good, "--reason", "from a peer", "--by", "ada")

    assert (mended.code, "recovered" in mended.out) == (0, True), mended.err
    shown = await scriptorium(stack, "events", "quarantine", "show", book["id"], 2)
    assert "recovered by ada: from a peer" in shown.out
    assert (await scriptorium(stack, "events", "verify", "--project", project)).code == 0
    searched = await scriptorium(stack, "events", "search", "whale", "--project", project)
    assert '"Moby" -> "' in searched.out


async def test_export_and_rebuild(stack: Stack, world: World, owner: Pool, tmp_path: Path) -> None:
    await world.scene(title="Kept")
    file = tmp_path / "export.jsonl"
    done = await scriptorium(stack, "events", "export", "-o", file, "--project", world.project_id)
    assert done.code == 0, done.err
    things = [json.loads(line) for line in file.read_text().splitlines()]
    assert {each["aggregateType"] for each in things} >= {"project", "member", "book", "scene"}
    again = await scriptorium(stack, "events", "export", "-o", file)
    assert (again.code, again.err.count("\n")) == (1, 1)

    # Others tampered with the log before; let the tables be what it says.
    await scriptorium(stack, "events", "rebuild", "--swap")
    await owner.execute("UPDATE books SET title = 'W' WHERE project_id = $1", world.project_id)
    differs = await scriptorium(stack, "events", "rebuild")
    swapped = await scriptorium(stack, "events", "rebuild", "--swap")
    equal = await scriptorium(stack, "events", "rebuild")

    assert (differs.code, swapped.code, equal.code) == (3, 0, 0), swapped.err
    assert 'title: live "W", rebuilt "Book"' in differs.out
    assert "1 rows replaced" in swapped.out
    assert "equal" in equal.out


@pytest.mark.parametrize(
    "words",
    [
        ("events", "inspect", "00000000-0000-0000-0000-000000000001"),
        ("events", "quarantine", "show", "00000000-0000-0000-0000-000000000001", "1"),
        ("events", "rebuild", "--into", "public"),
        ("dlq", "show", "999999"),
    ],
)
async def test_errors_are_one_readable_line(stack: Stack, words: tuple[str, ...]) -> None:
    done = await scriptorium(stack, *words)

    assert done.code == 1
    assert done.err.startswith("scriptorium: ")
    assert done.err.count("\n") == 1, done.err


async def test_in_a_shell(stack: Stack) -> None:
    """The groups are found, and loaded only when they are called."""
    refused = await in_a_shell(stack, "dlq", "show", "999999")
    fine = await in_a_shell(stack, "events", "verify", "--project", new_id())

    assert (refused.code, refused.err) == (1, "scriptorium: there is no dead letter 999999\n")
    assert (fine.code, fine.out.strip(), fine.err) == (0, "0 events fit their chains", "")


async def test_dead_letters_from_list_to_replay(stack: Stack, world: World) -> None:
    """It goes to its consumer alone, is taken once, and stays for as long as it fails."""
    healthy = False
    taken: list[int] = []
    others: list[int] = []

    async def on_fact(found: Announcement) -> None:
        if not healthy:
            raise PoisonMessage("cannot read this yet")
        taken.append(found.position)

    async def on_other(found: Announcement) -> None:
        others.append(found.position)

    broker, client = await connect_broker(
        stack.nats_url("gateway"), service="gateway", replica="dead"
    )
    subject = "scriptorium.v1.events.book.buried.>"
    subscribe_facts(broker, client, EVENTS, subject=subject, durable="poor", on_fact=on_fact)
    subscribe_facts(broker, client, EVENTS, subject=subject, durable="well", on_fact=on_other)
    await broker.start()
    admin = await nats.connect(stack.nats_url("admin"))
    try:
        for position in (1, 2):
            body = Announcement(position=position, event=chain([position])[0]).to_wire()
            await admin.jetstream().publish(
                fact("events", "book", "buried", world.project_id), body
            )
        async with asyncio.timeout(20):
            while await count(admin) < 2:  # noqa: ASYNC110 (there is nothing to wait for)
                await asyncio.sleep(0.05)
        listed = await scriptorium(stack, "dlq", "list", "--consumer", "poor")
        first, second = [line.split()[0] for line in listed.out.splitlines()]
        assert "PoisonMessage('cannot read this yet')" in listed.out
        assert "1 attempts" in listed.out
        assert '"position": 1' in (await scriptorium(stack, "dlq", "show", first)).out

        failing = await scriptorium(stack, "dlq", "replay", first)
        healthy = True
        replayed = await scriptorium(stack, "dlq", "replay", first)
        gone = await scriptorium(stack, "dlq", "replay", first)
        kept = await scriptorium(stack, "dlq", "drop", second, answer="n\n")
        dropped = await scriptorium(stack, "dlq", "drop", second, "--yes")
        empty = await scriptorium(stack, "dlq", "list")
    finally:
        await broker.stop()
        await admin.close()

    assert (failing.code, replayed.code, gone.code) == (2, 0, 1), replayed.err
    assert "cannot read this yet" in failing.out
    assert (taken, others) == ([1], [1, 2])
    assert "dropped" not in kept.out
    assert "dropped" in dropped.out
    assert "no dead letters" in empty.out


async def test_replay_without_its_consumer_keeps_the_letter(stack: Stack) -> None:
    admin = await nats.connect(stack.nats_url("admin"))
    await admin.jetstream().publish("dlq.nobody.scriptorium.v1.events.x.y.z", b"{}")
    try:
        listed = await scriptorium(stack, "dlq", "list", "--consumer", "nobody")
        done = await scriptorium(stack, "dlq", "replay", "--all", "--consumer", "nobody")
        again = await scriptorium(stack, "dlq", "list", "--consumer", "nobody")
        await scriptorium(stack, "dlq", "drop", listed.out.split()[0], "-y")
    finally:
        await admin.close()

    assert done.code == 2
    assert "does not run" in done.out
    assert listed.out == again.out


@pytest.mark.parametrize(
    "subject",
    [
        "scriptorium.v1.events.scene.created.x",
        "live.scene.x.log",
        "$JS.API.STREAM.PURGE.EVENTS",
        "$JS.API.STREAM.MSG.DELETE.EVENTS",
        "$JS.API.STREAM.MSG.GET.EVENTS",
        "$JS.API.STREAM.DELETE.DEAD_LETTERS",
        "$JS.API.STREAM.PURGE.DEAD_LETTERS",
    ],
)
async def test_operator_may_do_no_more_than_that(stack: Stack, subject: str) -> None:
    refusals: list[str] = []

    async def note(error: Exception) -> None:
        refusals.append(str(error))

    client = await nats.connect(
        stack.nats_url(OPERATOR), inbox_prefix=inbox(OPERATOR).encode(), error_cb=note
    )
    await client.publish(subject, b"")
    await client.flush()
    async with asyncio.timeout(5):
        while not refusals:  # noqa: ASYNC110 (the client calls back when it reads)
            await asyncio.sleep(0.01)
    await client.close()

    assert "permissions violation" in refusals[0].lower()
