"""Collection against a model: whatever people do in whatever order, and whenever it dies.

The model knows when each content was last wanted, and so what must not go yet; in the end it knows
what must be gone. Its clock is moved by `pass_time` alone.
"""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from libs import errors
from libs.bus import Caller
from libs.contracts.blobs.operations import Reconcile
from libs.postgres import Pool
from services.blobs.collection import rounds
from services.blobs.collection import store as collecting
from tests.blobs.collection.support import DAY, Desk, Vault, check
from tools.stack import Stack

HOUR = timedelta(hours=1)
RETENTION, GRACE, WINDOW = 10 * HOUR, 10 * HOUR, 30 * HOUR
"""Shorter than the claim window, so that claims matter by themselves."""
HASTE: dict[str, Any] = {
    "retention_attachment_s": RETENTION.total_seconds(),
    "grace_s": GRACE.total_seconds(),
    "claim_window_s": WINDOW.total_seconds(),
}
WAITS = st.sampled_from([0, 5, 11, 31])
"""Hours before a collection."""
CONTENTS = st.integers(0, 2)
PLACES = st.integers(0, 2)
STEPS = (
    "collection.marked",
    "collection.condemned",
    "collection.settling",
    "collection.settled",
    "collection.asked",
    "collection.collecting",
    "collection.collected",
)


class Died(Exception):
    """As if the process had been killed there: the transaction is rolled back."""


class Life(RuleBasedStateMachine):
    """What people know: what they uploaded, which path and which entity has what."""

    vault: Vault
    caller: Caller
    loop: asyncio.AbstractEventLoop

    def __init__(self) -> None:
        super().__init__()
        self.paths: dict[int, int] = {}
        self.files: dict[int, int] = {}
        self.claims: dict[int, tuple[int, int, UUID, timedelta]] = {}
        self.entities: dict[int, UUID] = {}
        self.shas: dict[int, str] = {}
        self.now = timedelta()
        self.wanted: dict[int, timedelta] = {}
        """When a content was uploaded, claimed, or gained or lost a path, the last time."""
        self.claimed: dict[int, timedelta] = {}
        self.condemned: dict[int, timedelta] = {}
        self.desk: Desk

    def do(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    @initialize()
    def begin(self) -> None:
        async def make() -> None:
            self.desk = await Desk.begin(self.vault, self.caller)
            for number in range(3):
                self.entities[number] = await self.desk.entity()

        self.do(make())

    @rule(content=CONTENTS)
    def upload(self, content: int) -> None:
        self.shas[content] = self.do(self.desk.upload(b"%d" % content * 200))
        self.wanted[content] = self.now

    @precondition(lambda self: self.shas)
    @rule(place=PLACES, data=st.data())
    def put_path(self, place: int, data: st.DataObject) -> None:
        content = data.draw(st.sampled_from(sorted(self.shas)))
        try:
            self.do(self.desk.put_path(f"project/{place}", self.shas[content]))
        except errors.BlobUnavailable:
            assert self.state(content) == "collected"
        else:
            if self.paths.get(place) != content:
                self.wanted |= dict.fromkeys({content, self.paths.get(place, content)}, self.now)
            self.paths[place] = content

    @rule(place=PLACES)
    def delete_path(self, place: int) -> None:
        if (content := self.paths.pop(place, None)) is not None:
            self.do(self.desk.delete_path(f"project/{place}"))
            self.wanted[content] = self.now

    @precondition(lambda self: self.shas)
    @rule(place=PLACES, number=st.integers(0, 3), data=st.data())
    def claim(self, place: int, number: int, data: st.DataObject) -> None:
        content = data.draw(st.sampled_from(sorted(self.shas)))
        try:
            claim = self.do(self.desk.claim(self.shas[content], self.entities[place]))
        except errors.BlobUnavailable:
            assert self.state(content) == "collected"
        else:
            self.claims[number] = place, content, claim, self.now
            self.wanted[content] = self.claimed[content] = self.now

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def use(self, data: st.DataObject) -> None:
        """A writer wakes up, however long it slept."""
        place, content, claim, at = self.claims.pop(data.draw(st.sampled_from(sorted(self.claims))))
        try:
            self.do(self.desk.attach(self.entities[place], self.shas[content], claim))
        except errors.BlobUnavailable:
            assert self.now - at >= WINDOW, "a fresh claim was refused"
        else:
            self.files[place] = content

    @rule(place=PLACES)
    def detach(self, place: int) -> None:
        if self.files.pop(place, None) is not None:
            self.do(self.desk.detach(self.entities[place]))

    def pass_time(self, hours: int) -> None:
        self.do(self.desk.pass_time(hours * HOUR))
        self.now += hours * HOUR

    @rule()
    def reconcile(self) -> None:
        """Blobs hears what events knows; no fact is delivered here otherwise."""
        question = Reconcile(project_id=self.desk.project_id)
        self.do(self.vault.room.following.reconcile(question, self.desk.actor))

    @rule(hours=WAITS)
    def collect(self, hours: int) -> None:
        self.pass_time(hours)
        with self.judged():
            self.do(self.desk.collect())

    @rule()
    def sweep(self) -> None:
        self.do(self.vault.sweeper.once())

    @rule(step=st.sampled_from(STEPS), hours=WAITS)
    def collect_and_die(self, step: str, hours: int) -> None:
        def passed(name: str) -> None:
            if name == step:
                raise Died

        self.pass_time(hours)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(rounds, "passed", passed)
            patched.setattr(collecting, "passed", passed)
            with self.judged(), suppress(Died):
                self.do(self.desk.collect())

    @contextmanager
    def judged(self) -> Generator[None]:
        """Accept what a collection does unless it is too early for that."""
        before = {content: self.state(content) for content in self.shas}
        yield
        for content, was in before.items():
            state = self.state(content)
            if was not in {"condemned", "collected"} and state in {"condemned", "collected"}:
                assert self.now - self.wanted[content] >= RETENTION, "condemned before its time"
                fresh = content in self.claimed and self.now - self.claimed[content] < WINDOW
                assert not fresh, "condemned in spite of a fresh claim"
                assert content not in self.paths.values(), "condemned in spite of a path"
                self.condemned[content] = self.now
            if was != "collected" and state == "collected":
                assert self.now - self.condemned[content] >= GRACE, "collected before its time"
                assert not self.is_referred(content), "collected in spite of a reference"

    def state(self, content: int) -> str:
        return self.do(self.desk.state(self.shas[content]))

    def is_referred(self, content: int) -> bool:
        return content in self.paths.values() or content in self.files.values()

    @invariant()
    def holds(self) -> None:
        """Every live reference resolves, sums are right, storage holds what rows name."""
        if not hasattr(self, "desk"):
            return
        for content in {*self.paths.values(), *self.files.values()}:
            assert self.do(self.desk.read(self.shas[content])) == b"%d" % content * 200
        self.do(check(self.desk))

    def teardown(self) -> None:
        """What nothing refers to is gone in the end, and what is referred to is not."""
        if not hasattr(self, "desk"):
            return

        async def finish() -> None:
            question = Reconcile(project_id=self.desk.project_id)
            await self.vault.room.following.reconcile(question, self.desk.actor)
            for _ in range(2):
                await self.desk.pass_time(WINDOW)
                await self.desk.collect()
                await self.desk.pass_time(GRACE)
                await self.desk.collect()
            await self.desk.pass_time(DAY)
            await self.vault.sweeper.once()
            await check(self.desk)
            for content, sha256 in self.shas.items():
                state = await self.desk.state(sha256)
                if self.is_referred(content):
                    assert await self.desk.read(sha256) == b"%d" % content * 200
                else:
                    assert state == "collected", f"{content} is {state}"
            kept = {content for content in self.shas if self.is_referred(content)}
            assert len(self.vault.keys(self.desk.project_id)) == len(kept)

        self.do(finish())


async def test_collection_keeps_what_is_referred_to_and_nothing_else(
    stack: Stack, folder: Path, events: Pool, caller: Caller
) -> None:
    """Hypothesis drives the machine in a thread; the work is done in this loop."""
    del events  # it answers
    loop = asyncio.get_running_loop()

    class Bridge:
        def run_until_complete(self, work: Any) -> Any:
            return asyncio.run_coroutine_threadsafe(work, loop).result(60)

    async with Vault.open(stack, folder, **HASTE) as vault:
        given = {"vault": vault, "caller": caller, "loop": Bridge()}
        await asyncio.to_thread(_run, type("Machine", (Life,), given))


def _run(machine: type[Life]) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=12,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
