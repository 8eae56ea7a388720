"""The few figures that answer "is anybody hurt?", from what the processes export."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

type Labels = tuple[tuple[str, str], ...]
type Samples = dict[tuple[str, Labels], float]

_LINE = re.compile(r"^([a-zA-Z_:]\w*)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def samples(text: str) -> Samples:
    """Read the text form of Prometheus."""
    return {
        (name, tuple(sorted(_LABEL.findall(labels)))): float(value)
        for name, labels, value in _LINE.findall(text)
    }


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the page."""

    title: str
    value: float | None
    """None while nothing has happened that it could tell of."""
    unit: str
    limit: float
    """From here on somebody is hurt."""
    about: str

    @property
    def is_bad(self) -> bool:
        """Whether somebody is hurt."""
        return self.value is not None and self.value >= self.limit

    @property
    def shown(self) -> str:
        """The value as a person reads it."""
        if self.value is None:
            return "nothing yet"
        if self.unit == "ms":
            return f"{self.value * 1000:,.1f} ms"
        return f"{self.value:,.4g} {self.unit}".strip()


class Window:
    """What the processes exported now and some time ago; counters are compared."""

    def __init__(self, before: Mapping[str, Samples], now: Mapping[str, Samples], s: float) -> None:
        """Keep samples by process; *s* are the seconds between."""
        self._before, self._now, self._s = before, now, max(s, 0.001)

    def grown(self, name: str, where: re.Pattern[str] | None = None) -> dict[Labels, float]:
        """Return by how much each counter of that name grew, over all processes.

        A process that was restarted begins at nought again.
        """
        found: dict[Labels, float] = {}
        for process, known in self._now.items():
            for (each, labels), value in known.items():
                if each != name or (where and not where.search(dict(labels).get("status", ""))):
                    continue
                before = self._before.get(process, {}).get((each, labels), 0.0)
                grown = value - before if value >= before else value
                found[labels] = found.get(labels, 0.0) + grown
        return found

    def per_s(self, name: str, where: re.Pattern[str] | None = None) -> float:
        """Return how often something happened in a second."""
        return sum(self.grown(name, where).values()) / self._s

    def quantile(self, name: str, share: float) -> float | None:
        """Return the upper end of the bucket within which *share* of the observations are."""
        buckets: dict[float, float] = {}
        for labels, count in self.grown(f"{name}_bucket").items():
            end = float(dict(labels)["le"])
            buckets[end] = buckets.get(end, 0.0) + count
        total = max(buckets.values(), default=0.0)
        if not total:
            return None
        return next(end for end, count in sorted(buckets.items()) if count >= share * total)

    def gauges(self, name: str) -> list[float]:
        """Return the present values of a gauge."""
        return [
            value
            for known in self._now.values()
            for (each, _), value in known.items()
            if each == name
        ]


def figures(window: Window) -> Iterable[Figure]:
    """Return what the page shows; the limits are those of the first board and of the alerts."""
    saved = window.quantile("scriptorium_live_ack_seconds", 0.95)
    yield Figure("Time to saved", saved, "ms", 0.05, "95 % of the edits were durable within this")
    failed = window.per_s("scriptorium_http_seconds_count", re.compile(r"^5"))
    yield Figure("Requests that failed", failed, "a second", 0.1, "answers with 5xx")
    sockets = sum(window.gauges("scriptorium_live_connections"))
    yield Figure("Open sockets", sockets, "", float("inf"), "people and programs that edit")
    edits = window.per_s("scriptorium_live_edits_total")
    yield Figure("Edits", edits, "a second", float("inf"), "taken from sockets")
    errors = window.per_s("yjs_primary_update_persist_errors_total")
    yield Figure("Commits that failed", errors, "a second", 0.17, "they are tried again")
    oldest = max(window.gauges("scriptorium_outbox_age_seconds"), default=None)
    yield Figure("Oldest fact not announced", oldest, "s", 30, "search and files are behind")
    waiting = max(window.gauges("scriptorium_subscriber_pending"), default=None)
    yield Figure("Facts that a subscriber must handle", waiting, "", 10_000, "the most of any")
    damaged = sum(
        window.gauges("scriptorium_events_quarantine_open")
        + window.gauges("scriptorium_blobs_quarantine_open")
    )
    yield Figure("In quarantine", damaged, "", 1, "damaged, and waiting for a decision")
    late = window.quantile("scriptorium_event_loop_lag_seconds", 0.99)
    yield Figure("Lateness of event loops", late, "ms", 0.1, "99 % were at most so late")
    wait = window.quantile("scriptorium_postgres_pool_wait_seconds", 0.95)
    yield Figure("Wait for a connection", wait, "ms", 0.1, "95 % waited at most so long")
    stalled = sum(window.gauges("scriptorium_task_stalled"))
    yield Figure("Stalled background tasks", stalled, "", 1, "hanging, dead, or failing")
