"""Any history of commands, bundles, jobs, undos, archiving and retention is a simple model's."""

import asyncio

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.events.log_model.desk import Desk
from tests.events.log_model.machine import LogMachine, outcomes

QUICK = settings(
    max_examples=12,
    stateful_step_count=20,
    deadline=None,
    derandomize=True,
    # To find a smaller history asks too much of the service for a run of all tests.
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
LONG = settings(
    QUICK,
    max_examples=400,
    stateful_step_count=60,
    derandomize=False,
    phases=[Phase.generate, Phase.shrink],
    print_blob=True,
)


async def run(desk: Desk, profile: settings) -> None:
    class AtThisDesk(LogMachine):
        def __init__(self) -> None:
            super().__init__(desk)

    # The machine waits for each answer, so it must not be on the loop that answers.
    await asyncio.to_thread(run_state_machine_as_test, AtThisDesk, settings=profile)


async def test_log_does_what_a_simple_model_does(desk: Desk) -> None:
    """Without refusals and reversals the histories would have shown nothing."""
    await run(desk, QUICK)

    done = [
        (deed, None)
        for deed in ("command", "bundle", "job", "undo", "redo", "pick", "retry", "forget")
    ]
    refused = [
        ("command", "PRECONDITION_FAILED"),
        ("bundle", "CONFLICT"),
        ("bundle", "NOT_FOUND"),
        ("undo", "CONFLICT"),
    ]
    assert [each for each in [*done, *refused] if not outcomes[each]] == []


@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_log_does_what_a_simple_model_does_for_long(desk: Desk) -> None:
    await run(desk, LONG)
