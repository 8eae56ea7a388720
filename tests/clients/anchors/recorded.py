"""Recorded sessions of real editors, the truth about their anchors, and a judge of answers.

`python -m tests.clients.anchors.recorded` records the stored sessions again; see README.md.
"""

import asyncio
import base64
import json
import lzma
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from tests.clients.scenarios import require_node

HERE = Path(__file__).parent
STORED = HERE / "sessions.jsonl.xz"
STORED_SEED = 1
LOOSE_FACTOR, LOOSE_UNITS = 3, 4

type Span = tuple[int, int]
"""From and to, in UTF-16 units of the flat text."""
type CharacterId = tuple[int, int]
"""Client and clock of a character."""


@dataclass(frozen=True, slots=True)
class RecordedAnchor:
    """A selection in the text at the beginning, and where its characters are in the end."""

    quote: str
    start: dict[str, Any]
    """Relative position of its begin, as the editor's binding makes one, as JSON."""
    end: dict[str, Any]
    """Relative position behind it, as the editor's binding makes one, as JSON."""
    span: Span
    """Where it is in the text at the beginning."""
    first: CharacterId
    last: CharacterId
    truth: tuple[int, ...]
    """Offsets in the end of the characters that live on, in the order of the quote."""
    copies: tuple[tuple[int, ...], ...]
    """Of each character of `truth` where else it is, because two people moved or rebuilt the same
    text at the same time; empty where nobody did."""
    kept: tuple[int, ...]
    """Where those characters are in the end that still have the Yjs id of the beginning."""


@dataclass(frozen=True, slots=True)
class Session:
    """What people did with a document in about 260 operations."""

    editor: str
    root: str
    kind: str
    """Layout of the root: `xml` (fragment), `slate` (XmlText of XmlTexts) or `plain` (Text)."""
    seed: int
    people: int
    calm: bool
    """Whether most blocks were left alone."""
    base: bytes
    """The document at the beginning, as one update."""
    log: tuple[bytes, ...]
    """The updates since, in the order of the server."""
    by: tuple[int, ...]
    """The number of the person behind each update."""
    doing: tuple[str, ...]
    """The operation behind each update."""
    anchors: tuple[RecordedAnchor, ...]
    final: str
    """The flat text in the end: one line for each block."""
    guessed: int
    """Characters whose origin was only guessed."""
    reloads: int
    """How often an editor broke down and was opened again."""


def sessions(*editors: str) -> Iterator[Session]:
    """Return the stored sessions, of all editors or of those named."""
    with lzma.open(STORED, "rt", encoding="utf-8") as lines:
        for session in map(_session, lines):
            if not editors or session.editor in editors:
                yield session


async def record(seed: int, *told: str) -> list[Session]:
    """Record sessions anew, such as `record(7, "slate=2")`; see `sessions.mjs`."""
    return [_session(line) for line in (await _recorded(seed, *told)).splitlines()]


async def _recorded(seed: int, *told: str) -> bytes:
    require_node()
    command = ("node", str(HERE / "sessions.mjs"), str(seed), *told)
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    lines, complaints = await process.communicate()
    if process.returncode:
        raise RuntimeError(complaints.decode()[-2000:])
    return lines


def _session(line: str | bytes) -> Session:
    told: dict[str, Any] = json.loads(line)
    anchors = tuple(map(_anchor, told.pop("anchors")))
    base, log = base64.b64decode(told.pop("base")), tuple(map(base64.b64decode, told.pop("log")))
    by, doing = tuple(told.pop("by")), tuple(told.pop("doing"))
    return Session(base=base, log=log, by=by, doing=doing, anchors=anchors, **told)


def _anchor(told: dict[str, Any]) -> RecordedAnchor:
    first, last = told["first"], told["last"]
    return RecordedAnchor(
        quote=told["quote"],
        start=told["start"],
        end=told["end"],
        span=(told["from"], told["to"]),
        first=(first["client"], first["clock"]),
        last=(last["client"], last["clock"]),
        truth=tuple(told["truth"]),
        copies=tuple(map(tuple, told["copies"])),
        kept=tuple(told["kept"]),
    )


class Verdict(StrEnum):
    """What an answer is worth."""

    RIGHT = "right"
    """The range holds the anchor, or it is said to be gone and is."""
    LOST = "lost"
    """It is said to be gone, and is not."""
    WRONG = "wrong"
    """The range is another one."""


def judge(anchor: RecordedAnchor, found: Span | None) -> Verdict:
    """Judge where an anchor was *found*; None when it is said to be gone.

    A range is right when it holds half of the characters that live on, and is not more than three
    times as long as the stretch that these take. Any copy of a character will do.

    >>> def anchor(*truth: int) -> RecordedAnchor:
    ...     return RecordedAnchor("word", {}, {}, (0, 4), (1, 0), (1, 3), truth, (), ())
    >>> judge(anchor(10, 11, 12, 13), (10, 14)).value, judge(anchor(10, 11), (8, 12)).value
    ('right', 'right')
    >>> judge(anchor(10, 11, 12, 13), (13, 17)).value, judge(anchor(10, 11), (0, 90)).value
    ('wrong', 'wrong')
    >>> judge(anchor(10, 11), None).value
    'lost'
    >>> judge(anchor(), None).value, judge(anchor(), (1, 2)).value
    ('right', 'wrong')
    """
    if not anchor.truth:
        return Verdict.RIGHT if found is None else Verdict.WRONG
    if found is None:
        return Verdict.LOST
    start, end = found
    copies = anchor.copies or ((),) * len(anchor.truth)
    places = [(at, *others) for at, others in zip(anchor.truth, copies, strict=True)]
    held = [[at for at in one if start <= at < end] for one in places]
    within = [at for one in held for at in one]
    if not within or 2 * sum(map(bool, held)) < len(held):
        return Verdict.WRONG
    stretch = max(within) - min(within) + 1
    fits = end - start <= LOOSE_FACTOR * stretch + LOOSE_UNITS
    return Verdict.RIGHT if fits else Verdict.WRONG


def reused(anchor: RecordedAnchor, found: Span) -> bool:
    """Whether the very Yjs characters of the anchor are in *found*.

    Where that is so and the judge says "wrong", the editor's binding moved text by changing one
    paragraph into another, and letters that both have in common stayed: no server can know.
    """
    return any(found[0] <= at < found[1] for at in anchor.kept)


@dataclass(slots=True)
class Tally:
    """Counts verdicts by the status that was answered with them."""

    counts: Counter[tuple[Verdict, str]] = field(default_factory=Counter[tuple[Verdict, str]])
    reused_exact: int = 0
    """Of `wrong_exact`: those that the editor's binding made so."""

    def add(self, anchor: RecordedAnchor, found: Span | None, status: str) -> Verdict:
        """Judge an answer of *status* `exact`, `recovered` or `orphaned`."""
        verdict = judge(anchor, found)
        self.counts[verdict, status] += 1
        if verdict is Verdict.WRONG and status == "exact" and found and reused(anchor, found):
            self.reused_exact += 1
        return verdict

    def of(self, verdict: Verdict) -> int:
        """Number of answers with this verdict."""
        return sum(count for (one, _), count in self.counts.items() if one is verdict)

    @property
    def wrong_exact(self) -> int:
        """Number of answers that are wrong though they were called exact. It has to be 0."""
        return self.counts[Verdict.WRONG, "exact"]

    @property
    def total(self) -> int:
        """Number of all answers."""
        return self.counts.total()

    def __str__(self) -> str:
        """Everything in one line."""
        shares = ", ".join(f"{self.of(one)} {one}" for one in Verdict)
        return (
            f"{self.total} anchors: {shares}; {self.wrong_exact} wrong though called exact"
            f" ({self.reused_exact} of them because the binding reused characters)"
        )


def tally(answers: Iterable[tuple[RecordedAnchor, Span | None, str]]) -> Tally:
    """Judge many answers: the anchor, where it was found, and the status."""
    found = Tally()
    for anchor, span, status in answers:
        found.add(anchor, span, status)
    return found


if __name__ == "__main__":
    STORED.write_bytes(lzma.compress(asyncio.run(_recorded(STORED_SEED)), preset=9))
