"""The settings of the indexer."""

from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr, field_validator

from libs.process import ProcessSettings


class Settings(ProcessSettings):
    """Settings of the indexer."""

    vectors_url: str = Field(
        description="Where vectors are: file:///folder for an index of this replica alone, or the"
        " address of a Qdrant server (1.20 or newer) for all replicas, such as http://qdrant:6333.",
    )
    vectors_api_key: SecretStr | None = Field(
        default=None, description="The key that the Qdrant server asks for, if any."
    )
    embedder: Literal["minilm", "none"] = Field(
        default="minilm",
        description="The model that finds texts by their meaning; with none, words alone count.",
    )
    embed_duty: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="Share of the time of one core that embedding texts may take.",
    )
    stem_language: str = Field(
        default="english",
        pattern=r"^[a-z]{1,20}$",
        description="Language by whose rules words are reduced to their stems, such as german.",
    )

    @field_validator("vectors_url")
    @classmethod
    def _is_address(cls, url: str) -> str:
        parts = urlsplit(url)
        is_folder = parts.scheme == "file" and parts.path.startswith("/")
        if not is_folder and not (parts.scheme in ("http", "https") and parts.hostname):
            raise ValueError("must be file:///folder, or the http address of a Qdrant server")
        return url

    @property
    def vectors_folder(self) -> Path | None:
        """The folder of the embedded engine; None when vectors are on a server."""
        parts = urlsplit(self.vectors_url)
        return Path(unquote(parts.path)) if parts.scheme == "file" else None

    @property
    def role(self) -> str:
        """The run-time role, to which migrations grant what it needs."""
        return unquote(urlsplit(self.postgres_url).username or "indexer")
