"""The settings of the ai service."""

from urllib.parse import unquote, urlsplit

from pydantic import Field

from libs.process import ProcessSettings


class Settings(ProcessSettings):
    """Settings of the ai service."""

    ai_runs_at_once: int = Field(
        default=4, ge=1, le=64, description="Runs that one replica works on at the same time."
    )
    ai_project_runs_max: int = Field(
        default=2,
        ge=1,
        le=64,
        description="Runs of one project that all replicas together begin at the same time.",
    )

    @property
    def role(self) -> str:
        """The run-time role, to which migrations grant what it needs."""
        return unquote(urlsplit(self.postgres_url).username or "ai")
