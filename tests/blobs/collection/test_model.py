"""Collection against a model: whatever people do in whatever order, and whenever it dies."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from libs import errors
from libs.bus import Caller
from services.blobs.collection import rounds
from services.blobs.collection import store as collecting
from tests.blobs.collection.support import DAY, LONG, Desk, Vault, check

CONTENTS = st.integers(0, 4)
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
        self.claims: dict[int, tuple[int, int, UUID]] = {}
        self.entities: dict[int, UUID] = {}
        self.shas: dict[int, str] = {}
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

    @precondition(lambda self: self.shas)
    @rule(place=PLACES, data=st.data())
    def put_path(self, place: int, data: st.DataObject) -> None:
        content = data.draw(st.sampled_from(sorted(self.shas)))
        try:
            self.do(self.desk.put_path(f"project/{place}", self.shas[content]))
        except errors.BlobUnavailable:
            assert not self.is_referred(content)
        else:
            self.paths[place] = content

    @rule(place=PLACES)
    def delete_path(self, place: int) -> None:
        if self.paths.pop(place, None) is not None:
            self.do(self.desk.delete_path(f"project/{place}"))

    @precondition(lambda self: self.shas)
    @rule(place=PLACES, number=st.integers(0, 3), data=st.data())
    def claim(self, place: int, number: int, data: st.DataObject) -> None:
        content = data.draw(st.sampled_from(sorted(self.shas)))
        try:
            claim = self.do(self.desk.claim(self.shas[content], self.entities[place]))
        except errors.BlobUnavailable:
            assert not self.is_referred(content)
        else:
            self.claims[number] = place, content, claim

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def use(self, data: st.DataObject) -> None:
        """A writer wakes up, however long it slept."""
        place, content, claim = self.claims.pop(data.draw(st.sampled_from(sorted(self.claims))))
        try:
            self.do(self.desk.attach(self.entities[place], self.shas[content], claim))
        except errors.BlobUnavailable:
            pass
        else:
            self.files[place] = content

    @rule(place=PLACES)
    def detach(self, place: int) -> None:
        if self.files.pop(place, None) is not None:
            self.do(self.desk.detach(self.entities[place]))

    @rule(days=st.sampled_from([1, 2, 91]))
    def pass_time(self, days: int) -> None:
        self.do(self.desk.pass_time(timedelta(days=days)))

    @rule()
    def collect(self) -> None:
        self.do(self.desk.collect())

    @rule()
    def sweep(self) -> None:
        self.do(self.vault.sweeper.once())

    @rule(step=st.sampled_from(STEPS))
    def collect_and_die(self, step: str) -> None:
        def passed(name: str) -> None:
            if name == step:
                raise Died

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(rounds, "passed", passed)
            patched.setattr(collecting, "passed", passed)
            with suppress(Died):
                self.do(self.desk.collect())

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
            for _ in range(2):
                await self.desk.pass_time(LONG)
                await self.desk.collect()
                await self.desk.pass_time(2 * DAY)
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
    vault: Vault, caller: Caller
) -> None:
    """Hypothesis drives the machine in a thread; the work is done in this loop."""
    loop = asyncio.get_running_loop()

    class Bridge:
        def run_until_complete(self, work: Any) -> Any:
            return asyncio.run_coroutine_threadsafe(work, loop).result(60)

    machine = type("Machine", (Life,), {"vault": vault, "caller": caller, "loop": Bridge()})
    await asyncio.to_thread(_run, machine)


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
