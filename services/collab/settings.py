"""What an operator can set."""

from pydantic import Field

from libs.contracts.frames import UPDATE_BYTES_MAX
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
    rollup_pause_s: float = Field(
        default=5, gt=0, description="Least time between two roll-ups of one scene, seconds."
    )
    cache_bytes_max: int = Field(
        default=64 << 20, ge=1 << 20, description="Memory for states of recently opened scenes."
    )
    workers: int = Field(default=1, ge=1, le=16, description="Processes for heavy work.")
