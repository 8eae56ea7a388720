"""`scriptorium dlq`: facts that a consumer gave up."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, cast

import nats.errors
import nats.js.errors
import typer
from nats.js.client import JetStreamContext

from libs.contracts import deadletters, subjects
from libs.contracts.deadletters import DeadLetter
from libs.contracts.streams import DEAD_LETTERS
from tools.cli.operate.ask import STYLE, run
from tools.cli.operate.line import Line, NatsUrl, Refused
from tools.cli.operate.show import time_of
from tools.cli.options import DATA_DIR_DEFAULT, DataDir
from tools.cli.say import say

dlq = typer.Typer(help="Dead letters: facts that a consumer gave up; replay or drop them.", **STYLE)

REPLAY_WAIT_S = 30.0
BODY_CHARS_MAX = 4000
SEQ_MAX = 2**63 - 1

Seqs = Annotated[
    list[int], typer.Argument(min=1, max=SEQ_MAX, help="Numbers, as `list` shows them.")
]
Consumer = Annotated[str | None, typer.Option(help="Only letters of this consumer.")]


@dlq.command("list")
def list_(
    consumer: Consumer = None, data_dir: DataDir = DATA_DIR_DEFAULT, nats_url: NatsUrl = None
) -> None:
    """List dead letters, the oldest first: number, time, consumer, attempts, subject, cause."""

    async def ask(line: Line) -> None:
        count = 0
        async for letter in _letters(line, consumer):
            count += 1
            say(_summary(letter))
        if not count:
            say("there are no dead letters")

    run(data_dir, nats_url, ask)


@dlq.command()
def show(seqs: Seqs, data_dir: DataDir = DATA_DIR_DEFAULT, nats_url: NatsUrl = None) -> None:
    """Show dead letters with their content."""

    async def ask(line: Line) -> None:
        for seq in seqs:
            letter = await _letter(line, seq)
            say(_summary(letter))
            try:
                body = json.dumps(json.loads(letter.data), ensure_ascii=False, indent=2)
            except ValueError:
                body = repr(letter.data)
            say(body[:BODY_CHARS_MAX])

    run(data_dir, nats_url, ask)


@dlq.command()
def replay(
    seqs: Annotated[
        list[int] | None,
        typer.Argument(min=1, max=SEQ_MAX, help="Numbers, as `list` shows them."),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="All dead letters.")] = False,
    consumer: Consumer = None,
    data_dir: DataDir = DATA_DIR_DEFAULT,
    nats_url: NatsUrl = None,
) -> None:
    """Send dead letters to their consumer again; processed ones are removed, failed ones stay.

    Only that consumer receives them; it tolerates repetitions.
    """
    if bool(seqs) == all_:
        raise typer.BadParameter("give the numbers of dead letters, or --all")
    failed = 0

    async def ask(line: Line) -> None:
        nonlocal failed
        letters = (
            [each async for each in _letters(line, consumer)]
            if all_
            else [await _letter(line, seq) for seq in seqs or []]
        )
        if not letters:
            say("there are no dead letters")
        for letter in letters:
            outcome = await _replay(line, letter)
            if outcome is None:
                await _delete(line, letter.seq)
                say(f"{letter.seq}  processed by {letter.consumer}")
            else:
                failed += 1
                say(f"{letter.seq}  {outcome}")

    run(data_dir, nats_url, ask)
    if failed:
        raise typer.Exit(2)


@dlq.command()
def drop(
    seqs: Seqs,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    data_dir: DataDir = DATA_DIR_DEFAULT,
    nats_url: NatsUrl = None,
) -> None:
    """Remove dead letters for good; their consumers never process them."""

    async def ask(line: Line) -> None:
        for seq in seqs:
            letter = await _letter(line, seq)
            say(_summary(letter))
            if yes or await asyncio.to_thread(typer.confirm, f"drop {seq} for good?"):
                await _delete(line, seq)
                say(f"{seq}  dropped")

    run(data_dir, nats_url, ask)


async def _replay(line: Line, letter: DeadLetter) -> str | None:
    """Return None when the consumer took it, else why it did not."""
    try:
        reply = await line.client.request(
            subjects.replay(letter.consumer), letter.data, timeout=REPLAY_WAIT_S
        )
    except nats.errors.NoRespondersError:
        return f"its consumer {letter.consumer} does not run"
    except (nats.errors.TimeoutError, TimeoutError):
        return f"{letter.consumer} did not answer in {REPLAY_WAIT_S:.0f} s; it may have taken it"
    return None if reply.data == deadletters.TAKEN else f"failed again: {reply.data.decode()}"


async def _letters(line: Line, consumer: str | None) -> AsyncIterator[DeadLetter]:
    jetstream = line.client.jetstream()
    pattern = f"{subjects.DEAD_LETTERS}.{consumer or '*'}.>"
    seq = 1
    while (letter := await _next(jetstream, seq, pattern)) is not None:
        yield letter
        seq = letter.seq + 1


async def _letter(line: Line, seq: int) -> DeadLetter:
    pattern = f"{subjects.DEAD_LETTERS}.>"
    letter = await _next(line.client.jetstream(), seq, pattern)
    if letter is None or letter.seq != seq:
        raise Refused(f"there is no dead letter {seq}")
    return letter


async def _next(jetstream: JetStreamContext, seq: int, pattern: str) -> DeadLetter | None:
    try:
        found = await jetstream.get_msg(
            DEAD_LETTERS.name, seq=seq, subject=pattern, direct=True, next=True
        )
    except nats.js.errors.NotFoundError:
        return None
    except (nats.errors.Error, nats.js.errors.Error, TimeoutError) as error:
        raise Refused(f"the dead letters cannot be read: {error!r}") from error
    headers = cast("dict[str, str]", found.headers or {})
    at = datetime.fromisoformat(headers["Nats-Time-Stamp"])
    data = found.data or b""
    return deadletters.read(int(found.seq or 0), found.subject or "", headers, at, data)


async def _delete(line: Line, seq: int) -> None:
    try:
        await line.client.jetstream().delete_msg(DEAD_LETTERS.name, seq)
    except (nats.errors.Error, nats.js.errors.Error, TimeoutError) as error:
        raise Refused(f"dead letter {seq} cannot be removed: {error!r}") from error


def _summary(letter: DeadLetter) -> str:
    at = time_of(letter.at)
    return (
        f"{letter.seq}  {at}  {letter.consumer}  {letter.deliveries} attempts"
        f"  {letter.subject}  {letter.cause}"
    )
