"""`python -m tests.bench`: measure Scriptorium beside its peers and print the ratios."""

import argparse
import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import uvloop

from tests.bench import report
from tests.bench.run import Figures, Plan, session
from tests.bench.scenarios import SCENARIOS, Scenario
from tests.bench.scriptorium import Scriptorium
from tests.bench.stored import machine
from tests.bench.systems import Hocuspocus, System, YWebsocketServer, install_peers

SYSTEMS: dict[str, Callable[[Path], System]] = {
    kind.name: kind for kind in (Scriptorium, Hocuspocus, YWebsocketServer)
}
RUN_TIMEOUT_S = 900.0

ALONE: dict[str, str] = {
    "formats": "conversion of content, and the smallest edit, in MB/s",
    "snapshots": "how long a snapshot takes",
    "upkeep": "compaction beside people who write, roll-ups, cold loads, memory",
    "bundles": "events in bundles, and one append",
    "blobs": "files up and down beside cp and curl, many small ones, collection of a million",
    "review": "anchors made and resolved, racing accepts, typing in a scene with 500 anchors",
    "search": "recall on questions of our own, latency by mode, change to found, start, memory",
    "event_log": "rebuild, relay, bytes per event of a long log",
}
"""What peers have nothing like: each is a module of its own, `python -m tests.bench.<name>`."""


def main() -> int:
    """Parse, measure, report; 1 when a bar was missed, a run failed or proved nothing."""
    options = parser().parse_args()
    repeats = options.repeats or (1 if options.quick else 3)
    seconds = options.seconds or (4.0 if options.quick else 12.0)
    plan = Plan(seconds=seconds, step_s=2.0 if options.quick else 3.0, quick=options.quick)
    chosen = [s for s in SCENARIOS if not options.only or s.name in options.only]
    about = {"machine": machine(), "quick": options.quick, "seconds": seconds, "repeats": repeats}
    outcomes, broken = uvloop.run(measure(chosen, options.systems, plan, repeats))
    for scenario in chosen:
        print(report.table(scenario, outcomes[scenario.name]))
    if chosen:
        print(f"\nsaved: {report.save(outcomes, about).relative_to(Path.cwd(), walk_up=True)}")
    for name, title in ALONE.items():
        if not options.only or name in options.only:
            say(f"{name}: {title}")
            command = (sys.executable, "-m", f"tests.bench.{name}")
            broken |= subprocess.run(command, check=False).returncode != 0
    return int(broken or any(report.failed(s, outcomes[s.name]) for s in chosen))


async def measure(
    chosen: Sequence[Scenario], systems: Sequence[str], plan: Plan, repeats: int
) -> tuple[dict[str, dict[str, list[Figures]]], bool]:
    """Every scenario on every system in turn, *repeats* times; and whether any run failed."""
    if set(systems) - {Scriptorium.name}:
        await install_peers()
    outcomes = {s.name: {name: list[Figures]() for name in systems} for s in chosen}
    broken = False
    for scenario in chosen:
        say(f"{scenario.name}: {scenario.title}")
        for repeat in range(repeats):
            for name in systems:
                started = time.perf_counter()
                try:
                    figures = await once(scenario, name, plan)
                except Exception as error:
                    broken = True
                    say(f"  FAILED {name}: {type(error).__name__}: {error}")
                    continue
                outcomes[scenario.name][name].append(figures)
                took_s = time.perf_counter() - started
                say(f"  {repeat + 1}/{repeats} {name} in {took_s:.0f} s: {line(figures)}")
    return outcomes, broken


async def once(scenario: Scenario, system: str, plan: Plan) -> Figures:
    """One scenario on one fresh system."""
    async with asyncio.timeout(RUN_TIMEOUT_S), session(SYSTEMS[system], plan, say) as run:
        return await scenario.measure(run)


def line(figures: Figures) -> str:
    """The figures in one line."""
    return "  ".join(f"{name} {value:.4g}" for name, value in figures.items())


def say(sentence: str) -> None:
    """Progress goes to stderr, so that the tables can be redirected."""
    print(sentence, file=sys.stderr, flush=True)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    listing = "\n".join(f"  {s.name:18} {s.title}\n{'':21}{report.bars(s)}" for s in SCENARIOS)
    alone = "\n".join(f"  {name:18} {title}" for name, title in ALONE.items())
    made = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description="Compare Scriptorium with @hocuspocus/server (SQLite) and "
        "@y/websocket-server (LevelDB): same load, same machine, all processes counted.",
        epilog=f"scenarios, and Scriptorium's bars:\n{listing}\n\n"
        f"by itself, for peers have no such thing:\n{alone}\n\n"
        "Results are also saved as JSON in tests/bench/results/.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = [*(s.name for s in SCENARIOS), *ALONE]
    made.add_argument("--only", nargs="+", choices=names, metavar="SCENARIO", help="only these")
    made.add_argument(
        "--systems",
        nargs="+",
        choices=list(SYSTEMS),
        default=list(SYSTEMS),
        metavar="SYSTEM",
        help=f"only these, in this order (default: {' '.join(SYSTEMS)})",
    )
    made.add_argument(
        "--seconds", type=float, help="length of each fixed-rate window (default 12, quick 4)"
    )
    made.add_argument(
        "--repeats", type=int, help="runs per scenario and system; medians count (3, quick 1)"
    )
    made.add_argument(
        "--quick", action="store_true", help="one repeat, short windows, fewer rooms and clients"
    )
    return made


if __name__ == "__main__":
    sys.exit(main())
