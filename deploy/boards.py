"""The boards of Grafana as code; `python -m deploy.generate` writes their JSON.

A board answers the question that is its title, from above to below. Nothing is chosen but the
source of the data and the span of time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

RATE = "$__rate_interval"
COLUMNS, WIDTH, HEIGHT = 24, 8, 7


@dataclass(frozen=True, slots=True)
class Panel:
    """One question: its expressions with their legends, and what the answer means."""

    title: str
    about: str
    queries: Sequence[tuple[str, str]]
    unit: str = "short"
    limit: float | None = None
    """From here on it is drawn in red."""
    kind: str = "timeseries"


@dataclass(frozen=True, slots=True)
class Board:
    """A page of panels."""

    name: str
    title: str
    panels: Sequence[Panel]


def p(quantile: float, metric: str, by: str = "") -> str:
    """Return the expression of a quantile of a histogram."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({quantile}, sum by ({labels}) (rate({metric}_bucket[{RATE}])))"


def per_s(metric: str, by: str = "") -> str:
    """Return the expression of how often something happens in a second."""
    grouped = f"sum by ({by}) " if by else "sum"
    return f"{grouped}(rate({metric}[{RATE}]))"


def or_nought(expression: str) -> str:
    """Return an expression that is nought where nothing has happened yet."""
    return f"{expression} or on () vector(0)"


def hurt() -> Board:
    """Return the board to look at first."""
    errors = per_s('scriptorium_http_seconds_count{status=~"5.."}')
    return Board(
        "hurt",
        "Is anybody hurt?",
        (
            Panel(
                "Time to saved",
                "From an edit's arrival to its acknowledgement as durable. Writers feel this.",
                [
                    (p(0.5, "scriptorium_live_ack_seconds"), "half of the edits"),
                    (p(0.95, "scriptorium_live_ack_seconds"), "95 %"),
                ],
                "s",
                0.05,
            ),
            Panel(
                "Requests that failed",
                "Answers with 5xx a second. Each is somebody who has to try again.",
                [(or_nought(errors), "5xx")],
                "reqps",
                0.1,
            ),
            Panel(
                "People connected",
                "Open sockets and event streams. A sudden loss is a network or a gateway.",
                [
                    ("sum(scriptorium_live_connections)", "sockets"),
                    ("sum(scriptorium_event_streams_open)", "event streams"),
                ],
            ),
            Panel(
                "Sockets closed, by code",
                "1012: a gateway stopped. 1013: a client was too slow. 44xx: it may not write.",
                [(or_nought(per_s("scriptorium_live_closed_total", "code")), "{{code}}")],
                "cps",
            ),
            Panel(
                "Commits of edits that failed",
                "They are tried again, and nobody is told that it was saved meanwhile.",
                [(or_nought(per_s("yjs_primary_update_persist_errors_total")), "failed")],
                "cps",
                0.2,
            ),
            Panel(
                "Oldest fact that is not announced",
                "What happened and nobody heard of: search, files and clients are behind so long.",
                [("min by (service) (scriptorium_outbox_age_seconds)", "{{service}}")],
                "s",
                30,
            ),
            Panel(
                "Most that a subscriber has to handle",
                "Facts that a subscriber has yet to handle.",
                [
                    (
                        "max by (subscriber) (scriptorium_subscriber_pending)",
                        "{{subscriber}}",
                    )
                ],
                limit=10_000,
            ),
            Panel(
                "Divergence of snapshots",
                "Percent of the checked snapshots that do not say what their log says.",
                [("max(yjs_primary_divergence_rate)", "diverged")],
                "percent",
                0.1,
            ),
            Panel(
                "In quarantine",
                "Events, blobs and edits that are damaged and wait for a decision.",
                [
                    ("max(scriptorium_events_quarantine_open)", "events"),
                    ("max(scriptorium_blobs_quarantine_open)", "blobs"),
                ],
                limit=1,
            ),
            Panel(
                "Lateness of event loops",
                "99 % of the wake-ups were at most so late. All in that process waits so long.",
                [(p(0.99, "scriptorium_event_loop_lag_seconds", "job"), "{{job}}")],
                "s",
                0.1,
            ),
            Panel(
                "Wait for a database connection",
                "95 % waited at most so long. It grows when the pool is too small.",
                [(p(0.95, "scriptorium_postgres_pool_wait_seconds", "job"), "{{job}}")],
                "s",
                0.1,
            ),
            Panel(
                "Releases that run",
                "More than one line of a service is an upgrade that is under way, or stuck.",
                [
                    (
                        "count by (service, version, revision) (scriptorium_build_info)",
                        "{{service}} {{version}} {{revision}}",
                    )
                ],
            ),
        ),
    )


def live() -> Board:
    """Return the board of live editing."""
    return Board(
        "live",
        "Live editing",
        (
            Panel(
                "Edits",
                "Edits taken from sockets, and frames sent to them.",
                [
                    (per_s("scriptorium_live_edits_total"), "edits"),
                    (per_s("scriptorium_live_frames_total"), "frames"),
                ],
                "ops",
            ),
            Panel(
                "Time to saved",
                "From an edit's arrival to its acknowledgement.",
                [
                    (p(0.5, "scriptorium_live_ack_seconds"), "50 %"),
                    (p(0.95, "scriptorium_live_ack_seconds"), "95 %"),
                    (p(0.99, "scriptorium_live_ack_seconds"), "99 %"),
                ],
                "s",
                0.05,
            ),
            Panel(
                "Commits",
                "Group commits of collab a second, and rows in each on average.",
                [
                    (per_s("scriptorium_collab_flush_seconds_count"), "commits a second"),
                    (
                        or_nought(
                            f"{per_s('scriptorium_collab_flush_rows_sum')}"
                            f" / ({per_s('scriptorium_collab_flush_rows_count')} > 0)"
                        ),
                        "rows in one",
                    ),
                ],
            ),
            Panel(
                "Time of a commit",
                "From the batch to the answer of PostgreSQL.",
                [
                    (p(0.5, "scriptorium_collab_flush_seconds"), "50 %"),
                    (p(0.99, "scriptorium_collab_flush_seconds"), "99 %"),
                ],
                "s",
                0.05,
            ),
            Panel(
                "Batches sent again",
                "A gateway heard nothing of a batch for 300 ms, and sent the same bytes again.",
                [(or_nought(per_s("scriptorium_live_resends_total", "reason")), "{{reason}}")],
                "cps",
            ),
            Panel(
                "Gaps and fences",
                "Frames that were lost and fetched, and commits that another replica was ahead of.",
                [
                    (per_s("scriptorium_live_gaps_total"), "gaps"),
                    (per_s("scriptorium_collab_fenced_total"), "fenced"),
                ],
                "cps",
            ),
            Panel(
                "Time to load a scene",
                "What a person waits who opens a scene, in milliseconds.",
                [
                    (p(0.5, "yjs_primary_scene_load_time_ms"), "50 %"),
                    (p(0.95, "yjs_primary_scene_load_time_ms"), "95 %"),
                ],
                "ms",
                200,
            ),
            Panel(
                "Behind",
                "How long the newest edits are in no head, and the oldest change in no snapshot.",
                [
                    ("max(yjs_primary_rollup_lag_seconds)", "heads"),
                    ("60 * max(yjs_primary_snapshot_lag_minutes)", "snapshots"),
                ],
                "s",
                1800,
            ),
            Panel(
                "Sockets of each gateway",
                "They should be even; after an upgrade they are not, until people reconnect.",
                [("sum by (instance) (scriptorium_live_connections)", "{{instance}}")],
            ),
        ),
    )


def requests() -> Board:
    """Return the board of HTTP and RPC."""
    return Board(
        "requests",
        "HTTP and RPC",
        (
            Panel(
                "Requests by answer",
                "Answers of gateways a second.",
                [(per_s("scriptorium_http_seconds_count", "status"), "{{status}}")],
                "reqps",
            ),
            Panel(
                "Slowest routes",
                "95 % of the answers of a route took at most so long; the ten slowest.",
                [
                    (
                        f"topk(10, {p(0.95, 'scriptorium_http_seconds', 'method, route')} > 0)",
                        "{{method}} {{route}}",
                    )
                ],
                "s",
                1,
            ),
            Panel(
                "Requests in work",
                "Requests that have begun and not ended.",
                [("sum by (instance) (scriptorium_http_in_flight)", "{{instance}}")],
            ),
            Panel(
                "Questions between services",
                "Answers over the bus a second, by method; the ten most frequent.",
                [
                    (
                        f"topk(10, {per_s('scriptorium_rpc_seconds_count', 'method')})",
                        "{{method}}",
                    )
                ],
                "reqps",
            ),
            Panel(
                "Slowest questions",
                "95 % of the answers took at most so long; the ten slowest.",
                [(f"topk(10, {p(0.95, 'scriptorium_rpc_seconds', 'method')} > 0)", "{{method}}")],
                "s",
                0.5,
            ),
            Panel(
                "Answers that are failures",
                "UNAVAILABLE and TIMEOUT are outages; NOT_FOUND and CONFLICT are daily life.",
                [
                    (
                        or_nought(per_s('scriptorium_rpc_seconds_count{code!="OK"}', "code")),
                        "{{code}}",
                    )
                ],
                "cps",
            ),
            Panel(
                "Refused for their number",
                "Requests over a limit, by limit.",
                [(or_nought(per_s("scriptorium_rate_limited_total", "limit")), "{{limit}}")],
                "cps",
            ),
            Panel(
                "Decisions about permissions",
                "How roles were found: in the cache, or by asking.",
                [
                    (
                        or_nought(per_s("scriptorium_permission_decisions_total", "source")),
                        "{{source}}",
                    )
                ],
                "cps",
            ),
        ),
    )


def facts() -> Board:
    """Return the board of facts."""
    return Board(
        "facts",
        "Facts",
        (
            Panel(
                "Facts published",
                "Facts that the relays gave to the streams.",
                [(per_s("scriptorium_outbox_published_total", "service"), "{{service}}")],
                "cps",
            ),
            Panel(
                "Oldest in the outbox",
                "A relay that stands still shows here first.",
                [("min by (service) (scriptorium_outbox_age_seconds)", "{{service}}")],
                "s",
                30,
            ),
            Panel(
                "From commit to stream",
                "95 % took at most so long.",
                [
                    (
                        or_nought(p(0.95, "scriptorium_outbox_delay_seconds", "service")),
                        "{{service}}",
                    )
                ],
                "s",
                0.5,
            ),
            Panel(
                "Waiting for subscribers",
                "Facts that each subscriber has yet to handle.",
                [("max by (subscriber) (scriptorium_subscriber_pending)", "{{subscriber}}")],
                limit=10_000,
            ),
            Panel(
                "From fact to handled",
                "95 % took at most so long.",
                [
                    (
                        or_nought(p(0.95, "scriptorium_subscriber_delay_seconds", "subscriber")),
                        "{{subscriber}}",
                    )
                ],
                "s",
                5,
            ),
            Panel(
                "Deliveries that failed",
                "Tried again, or given up and put among the dead letters.",
                [
                    (
                        per_s("scriptorium_deliveries_failed_total", "subscriber, verdict"),
                        "{{subscriber}} {{verdict}}",
                    )
                ],
                "cps",
            ),
            Panel(
                "Verification of the log",
                "Events verified a second, and the age of the last whole verification.",
                [
                    (per_s("scriptorium_events_verified_total"), "events a second"),
                    ("max(scriptorium_events_verified_age_seconds)", "age"),
                ],
            ),
            Panel(
                "Purges",
                "Ordered and not ended, and failed.",
                [
                    ("max(scriptorium_events_purges_open)", "open"),
                    ("max(scriptorium_events_purges_failed)", "failed"),
                ],
                limit=1,
            ),
            Panel(
                "Background tasks that are stalled",
                "1 for a task that hangs, is dead, or fails again and again.",
                [("max by (job, task) (scriptorium_task_stalled)", "{{job}} {{task}}")],
                limit=1,
            ),
        ),
    )


def files() -> Board:
    """Return the board of bytes."""
    return Board(
        "bytes",
        "Bytes",
        (
            Panel(
                "Bytes in and out",
                "Bytes of files received and sent.",
                [
                    (per_s("scriptorium_blobs_received_bytes_total"), "received"),
                    (per_s("scriptorium_blobs_sent_bytes_total"), "sent"),
                ],
                "Bps",
            ),
            Panel(
                "Uploads by outcome",
                "Everything but done is somebody whose file is not there.",
                [(per_s("scriptorium_blobs_uploads_total", "outcome"), "{{outcome}}")],
                "cps",
            ),
            Panel(
                "Time of an upload",
                "From the first byte to the blob.",
                [
                    (p(0.5, "scriptorium_blobs_upload_seconds"), "50 %"),
                    (p(0.95, "scriptorium_blobs_upload_seconds"), "95 %"),
                ],
                "s",
                5,
            ),
            Panel(
                "Kept",
                "Bytes that people see, and bytes that they take in the storage.",
                [
                    ("max(scriptorium_blobs_kept_bytes)", "plain"),
                    ("max(scriptorium_blobs_kept_stored_bytes)", "stored"),
                ],
                "bytes",
            ),
            Panel(
                "Collection",
                "Age of the last one, and blobs that are condemned, due and doomed.",
                [
                    ("max(scriptorium_blobs_condemned)", "condemned"),
                    ("min(scriptorium_blobs_doomed)", "doomed"),
                ],
            ),
            Panel(
                "Age of the last collection and verification",
                "How long ago each ended.",
                [
                    ("max(scriptorium_blobs_collection_age_seconds)", "collection"),
                    ("max(scriptorium_blobs_verified_age_seconds)", "verification"),
                ],
                "s",
            ),
            Panel(
                "Damage",
                "Damaged frames met, references to nothing, and blobs in quarantine.",
                [
                    (per_s("scriptorium_blobs_damage_total"), "met"),
                    (per_s("scriptorium_blobs_dangling_total"), "dangling"),
                    ("max(scriptorium_blobs_quarantine_open)", "in quarantine"),
                ],
                limit=1,
            ),
            Panel(
                "Storages that can be used",
                "0 is a storage that cannot be reached, or has another mark.",
                [("min by (tier) (scriptorium_blobs_storage_usable)", "{{tier}}")],
            ),
        ),
    )


BOARDS = (hurt(), live(), requests(), facts(), files())


def grafana(board: Board) -> dict[str, Any]:
    """Return a board as Grafana imports it."""
    return {
        "uid": f"scriptorium-{board.name}",
        "title": f"Scriptorium: {board.title}",
        "tags": ["scriptorium"],
        "schemaVersion": 39,
        "timezone": "browser",
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {
            "list": [
                {
                    "name": "datasource",
                    "label": "Data source",
                    "type": "datasource",
                    "query": "prometheus",
                }
            ]
        },
        "links": [
            {
                "type": "dashboards",
                "tags": ["scriptorium"],
                "title": "Other boards",
                "asDropdown": True,
                "keepTime": True,
            }
        ],
        "panels": list(_panels(board)),
    }


def _panels(board: Board) -> Iterator[dict[str, Any]]:
    per_row = COLUMNS // WIDTH
    source = {"type": "prometheus", "uid": "${datasource}"}
    for number, panel in enumerate(board.panels):
        row, column = divmod(number, per_row)
        steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
        if panel.limit is not None:
            steps.append({"color": "red", "value": panel.limit})
        yield {
            "id": number + 1,
            "type": panel.kind,
            "title": panel.title,
            "description": panel.about,
            "datasource": source,
            "gridPos": {"x": column * WIDTH, "y": row * HEIGHT, "w": WIDTH, "h": HEIGHT},
            "targets": [
                {"refId": chr(65 + at), "datasource": source, "expr": expr, "legendFormat": legend}
                for at, (expr, legend) in enumerate(panel.queries)
            ],
            "fieldConfig": {
                "defaults": {
                    "unit": panel.unit,
                    "min": 0,
                    "thresholds": {"mode": "absolute", "steps": steps},
                    "custom": {
                        "thresholdsStyle": {
                            "mode": "off" if panel.limit is None else "line",
                        },
                        "spanNulls": True,
                    },
                },
                "overrides": [],
            },
            "options": {"legend": {"displayMode": "list", "placement": "bottom"}},
        }
