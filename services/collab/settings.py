"""Settings for operators; `python -m services.collab.settings` prints them for docs/upkeep.md."""

import sys

from pydantic import Field

from libs.contracts.collab.frames import UPDATE_BYTES_MAX
from libs.process import ProcessSettings


class CollabSettings(ProcessSettings):
    """Settings of collab; each is `SCRIPTORIUM_<NAME>` in the environment."""

    update_bytes_max: int = Field(
        default=UPDATE_BYTES_MAX,
        ge=1024,
        le=UPDATE_BYTES_MAX,
        description="Largest update accepted, bytes.",
    )
    scene_bytes_max: int = Field(
        default=64 << 20,
        ge=1 << 20,
        description="A scene whose state is larger takes no more writing, bytes.",
    )
    rollup_rows: int = Field(default=100, ge=1, description="Roll a head up after so many rows.")
    rollup_bytes: int = Field(default=100_000, ge=1, description="... or so many bytes.")
    rollup_age_s: float = Field(default=300, gt=0, description="... or so many seconds.")
    session_pause_s: float = Field(
        default=1800, gt=0, description="A pause longer than this ends an editing session, seconds."
    )
    rollup_pause_s: float = Field(
        default=5, gt=0, description="Least time between two roll-ups of one scene, seconds."
    )
    rollup_duty: float = Field(
        default=0.05, gt=0, le=1, description="Share of the time that roll-ups may take."
    )
    rollup_duty_behind: float = Field(
        default=0.2,
        gt=0,
        le=1,
        description="... and while a tail is so long that a join would feel it for seconds.",
    )
    rollup_behind_rows: int = Field(
        default=50_000, ge=1, description="Such a tail has more than so many rows."
    )
    compaction_age_s: float = Field(
        default=86_400, ge=0, description="Rows older than this may be compacted, seconds."
    )
    compaction_rows: int = Field(
        default=100, ge=1, description="... when there are at least so many of them."
    )
    compaction_pause_s: float = Field(
        default=86_400,
        ge=0,
        description="Least time between two compactions of one scene, seconds.",
    )
    retention_s: float | None = Field(
        default=30 * 86_400,
        ge=0,
        description="Rows that a compacted one holds too are removed at this age, seconds; empty"
        " for never.",
    )
    upkeep: bool = Field(
        default=True,
        description="Whether this replica compacts, verifies and repairs in the background.",
    )
    upkeep_interval_s: float = Field(
        default=900, gt=0, description="Least time between two walks over all scenes, seconds."
    )
    upkeep_duty: float = Field(
        default=0.05, gt=0, le=1, description="Share of the time that compaction may take."
    )
    verify_interval_s: float = Field(
        default=21_600, gt=0, description="Least time between two checks of all scenes, seconds."
    )
    verify_duty: float = Field(
        default=0.02, gt=0, le=1, description="Share of the time that these checks may take."
    )
    postgres_connections_max: int = Field(
        default=9,
        ge=8,
        le=500,
        description=(
            "Connections of this replica; commits keep one, the relay one, upkeep takes up to six."
        ),
    )
    cache_bytes_max: int = Field(
        default=64 << 20,
        ge=1 << 20,
        description="Memory for states of recently opened scenes, bytes.",
    )
    workers: int = Field(default=1, ge=1, le=16, description="Processes for heavy work.")
    content_workers: int = Field(
        default=1, ge=1, le=16, description="Processes that convert content; made when needed."
    )
    snapshot_interval_s: float = Field(
        default=300,
        gt=0,
        description="A change is in a snapshot after so many seconds at the latest; a younger"
        " snapshot is fresh, and reason to refuse one on demand without force.",
    )
    snapshot_stale_s: float = Field(
        default=1800, gt=0, description="An outdated snapshot older than this is very stale."
    )
    snapshot_history_rows: int = Field(
        default=100, ge=1, description="Rows of snapshot history kept for each scene."
    )
    snapshot_walk_s: float = Field(
        default=300, gt=0, description="Seconds between two walks over all scenes."
    )
    snapshot_duty: float = Field(
        default=0.05, gt=0, le=1, description="Share of the time that periodic snapshots may take."
    )
    snapshot_duty_behind: float = Field(
        default=0.25,
        gt=0,
        le=1,
        description="... and while scenes wait for longer than the interval.",
    )
    word_count_duty: float = Field(
        default=0.05,
        gt=0,
        le=1,
        description="Share of the time that counting the words of changed scenes may take.",
    )
    anchors_duty: float = Field(
        default=0.2,
        gt=0,
        le=1,
        description="Share of the time that following anchors through new edits may take.",
    )
    word_count_walk_s: float = Field(
        default=900,
        gt=0,
        description="Seconds between two walks that look for scenes whose words were not counted.",
    )
    divergence_sampling: bool = Field(
        default=True, description="Whether snapshots are compared with the log continuously."
    )
    divergence_interval_s: float = Field(
        default=10, gt=0, description="Least time between two comparisons of a replica, seconds."
    )
    divergence_duty: float = Field(
        default=0.02, gt=0, le=1, description="Share of the time that comparisons may take."
    )
    divergence_again_s: float = Field(
        default=3600, gt=0, description="Least time between two of the same snapshot, seconds."
    )
    divergence_repair: bool = Field(
        default=True, description="Whether a snapshot that sampling finds diverged is renewed."
    )
    divergence_window_s: float = Field(
        default=86_400, gt=0, description="The divergence rate is that of so many seconds."
    )


def table() -> str:
    """All settings of collab alone, with defaults, as Markdown."""
    rows = ["| variable | default | |", "|-|-|-|"]
    for name, field in CollabSettings.model_fields.items():
        if name in ProcessSettings.model_fields and name not in CollabSettings.__annotations__:
            continue
        default = field.default
        shown = str(default).lower() if isinstance(default, bool) else f"{default:,}"
        rows.append(f"| `SCRIPTORIUM_{name.upper()}` | {shown} | {field.description} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.stdout.write(table())
