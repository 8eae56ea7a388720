"""Scenarios of people typing: latency, cost per delivery, and the most a system can take."""

from typing import Any

from tests.bench.run import WARM_UP_S, Figures, Run

P95_MS_MAX = 50.0  # what still counts as keeping up
BACKLOG_S_MAX = 0.25  # edits still unseen when typing ends, in seconds of typing
SENT_MIN = 0.95  # of the asked rate: below this the generator itself fell behind
FIRST_RATE = 4000.0
GROWTH = 1.25
RATE_MIN, RATE_MAX = 500.0, 250_000.0
PRECISION = 1.12  # the search ends when the rates bracketing the answer are this close
TRIES = 2  # of each rate: one hiccup of a shared machine is not the system's limit


async def duet(run: Run) -> Figures:
    """1 room, 2 clients, both type 20 edits/s and watch the other."""
    await run.open(1, clients=2, writers=2, watchers=2)
    return await run.typed(40, receivers=1)


async def audience(run: Run) -> Figures:
    """1 room, 10 writers at 10 edits/s each, 50 readers."""
    await run.open(1, clients=60, writers=10)
    return await run.typed(100, receivers=59)


async def many_rooms(run: Run) -> Figures:
    """100 rooms, 3 clients each, every one types 5 edits/s."""
    await run.open(100, clients=3, writers=3)
    return await run.typed(1500, receivers=2)


async def one_room_limit(run: Run) -> Figures:
    """The most edits/s in 1 room of 10 clients: 9 type, 1 watches."""
    return await most_edits(run, rooms=1, clients=10)


async def fifty_rooms_limit(run: Run) -> Figures:
    """The most edits/s over 50 rooms of 4 clients: 3 type, 1 watches."""
    return await most_edits(run, rooms=50, clients=4)


async def most_edits(run: Run, *, rooms: int, clients: int) -> Figures:
    """Raise the rate until the system falls behind, then bisect between kept and missed.

    Steps are small because an overrun server may never catch up; one that does not is killed,
    started again and warmed up before the search goes on.
    """
    await enter_and_warm_up(run, rooms, clients)
    kept, missed, best = 0.0, RATE_MAX, dict[str, Any]()
    limited_by_generator, collapses = False, 0
    rate = FIRST_RATE
    while RATE_MIN <= rate < RATE_MAX and (not kept or missed / kept > PRECISION):
        step = await attempt(run, rate)
        if step["kept"]:
            kept, best = rate, step
            rate = rate * GROWTH if missed == RATE_MAX else (kept * missed) ** 0.5
            continue
        missed = rate
        limited_by_generator |= step["sent"] < SENT_MIN * rate * step["seconds"]
        if step["unseen"] or step["closed"]:
            collapses += 1
            await restart(run)
            await enter_and_warm_up(run, rooms, clients)
        rate = (kept * missed) ** 0.5 if kept else rate / GROWTH
    return {
        "edits_per_s": kept,
        "p50_ms": best.get("p50_ms", 0.0),
        "p95_ms": best.get("p95_ms", 0.0),
        "collapses": float(collapses),
        "others_busy": best.get("others_busy", 0.0),
        "generator_busy": best.get("generator_busy", 0.0),
        "generator_limited": float(limited_by_generator),
        **await run.proven(),
    }


async def enter_and_warm_up(run: Run, rooms: int, clients: int) -> None:
    """New rooms, and some typing at half the first rate: compilers and caches want to see it."""
    await run.open(rooms, clients=clients, writers=clients - 1)
    await run.load.do("type", per_second=FIRST_RATE / 2, seconds=WARM_UP_S)


async def restart(run: Run) -> None:
    """End a collapsed system and start it again; its rooms are left behind."""
    run.say(f"  {run.system.name} did not catch up within the drain time: killed, started anew")
    await run.load.do("close")
    run.system.kill()
    await run.system.start()


async def attempt(run: Run, rate: float) -> dict[str, Any]:
    """Type at *rate* for one step, again if it was missed; adds whether the system kept up."""
    step: dict[str, Any] = {}
    for _ in range(TRIES):
        step = await run.type(rate, run.plan.step_s)
        step["kept"] = (
            step["p95_ms"] < P95_MS_MAX
            and step["sent"] >= SENT_MIN * rate * step["seconds"]
            and step["backlog"] <= BACKLOG_S_MAX * rate
            and not step["closed"]
        )
        word = "kept" if step["kept"] else "missed"
        run.say(
            f"  {rate:9,.0f} edits/s {word:6}  p95 {step['p95_ms']:7.1f} ms"
            f"  cores busy: system {step['cpu_s'] / step['seconds']:.2f},"
            f" generator {step['generator_busy']:.2f}, others {step['others_busy']:.2f}"
        )
        if step["kept"] or step["unseen"] or step["closed"]:
            break
    return step
