"""What the bench says: a table per scenario with ratios, and everything as JSON."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.bench.figures import median
from tests.bench.run import Figures
from tests.bench.scenarios import Scenario

RESULTS = Path(__file__).parent / "results"
OURS, RIVAL = "scriptorium", "hocuspocus"
_COLUMN = 16
_NO_RATIO = {
    "converged",
    "unseen",
    "generator_busy",
    "others_busy",
    "generator_limited",
    "collapses",
}

type Outcome = Mapping[str, Sequence[Figures]]  # system -> one set of figures per repeat


def medians(repeats: Sequence[Figures]) -> Figures:
    """The median of each figure; `converged` only if every repeat did."""
    names = list(repeats[0]) if repeats else []
    middle = {name: median([figures[name] for figures in repeats]) for name in names}
    if "converged" in middle:
        middle["converged"] = min(figures["converged"] for figures in repeats)
    return middle


def table(scenario: Scenario, outcome: Outcome) -> str:
    """Figures by system; in brackets, how many times Hocuspocus's."""
    found = {system: medians(repeats) for system, repeats in outcome.items() if repeats}
    if not found:
        return f"{scenario.name}: no system finished"
    head = f"{'':28}" + "".join(f"{system:>{_COLUMN + 9}}" for system in found)
    rows = [f"\n{scenario.name}: {scenario.title}", head]
    rival = found.get(RIVAL, {})
    for figure in next(iter(found.values())):
        known = None if figure in _NO_RATIO else rival.get(figure)
        row = [_cell(figures[figure], known, system) for system, figures in found.items()]
        rows.append(f"  {figure:26}" + "".join(row))
    rows += [f"  {verdict}" for verdict in verdicts(scenario, outcome)]
    return "\n".join(rows)


def _cell(value: float, rival: float | None, system: str) -> str:
    ratio = f" ({value / rival:.2f}x)" if rival and system != RIVAL else ""
    return f"{_number(value):>{_COLUMN}}{ratio:9}"


def _number(value: float) -> str:
    if value == int(value) and abs(value) < 1e6:
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def verdicts(scenario: Scenario, outcome: Outcome) -> Iterator[str]:
    """One sentence per bar, and one for each system that did not converge."""
    for system, repeats in outcome.items():
        if repeats and not medians(repeats).get("converged", 1.0):
            yield f"INVALID  {system} did not converge"
    ours = medians(outcome.get(OURS, []))
    rival = medians(outcome.get(RIVAL, []))
    if not ours:
        return
    for bar in scenario.bars:
        met = bar.met(ours[bar.figure], rival.get(bar.figure))
        yield f"{_word(met)}  {bar}"


def _word(met: bool | None) -> str:
    return {True: "met   ", False: "MISSED", None: "no rival measured"}[met]


def failed(scenario: Scenario, outcome: Outcome) -> bool:
    """Whether a bar was missed, or a run proved nothing."""
    return any(said.startswith(("MISSED", "INVALID")) for said in verdicts(scenario, outcome))


def save(outcomes: Mapping[str, Outcome], about: Mapping[str, Any]) -> Path:
    """Write every repeat and the medians; the file's name is the time."""
    now = datetime.now(UTC)
    RESULTS.mkdir(exist_ok=True)
    target = RESULTS / f"{now:%Y%m%dT%H%M%SZ}.json"
    body = {
        "finished_at": now.isoformat(timespec="seconds"),
        **about,
        "scenarios": {
            name: {
                system: {"median": medians(repeats), "repeats": list(repeats)}
                for system, repeats in outcome.items()
            }
            for name, outcome in outcomes.items()
        },
    }
    target.write_text(json.dumps(body, indent=2) + "\n")
    return target


def bars(scenario: Scenario) -> str:
    """The scenario's bars in one line."""
    return "; ".join(str(bar) for bar in scenario.bars)
