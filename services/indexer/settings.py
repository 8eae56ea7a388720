"""The settings of the indexer."""

from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from pydantic import Field, field_validator

from libs.process import ProcessSettings


class Settings(ProcessSettings):
    """Settings of the indexer."""

    vectors_url: str = Field(
        description="Where vectors are: file:///folder for an index of this replica alone.",
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
    def _is_folder(cls, url: str) -> str:
        if urlsplit(url).scheme != "file" or not urlsplit(url).path.startswith("/"):
            raise ValueError("must be file:///folder")
        return url

    @property
    def vectors_folder(self) -> Path:
        """The folder of the embedded engine."""
        return Path(unquote(urlsplit(self.vectors_url).path))

    @property
    def role(self) -> str:
        """The run-time role, to which migrations grant what it needs."""
        return unquote(urlsplit(self.postgres_url).username or "indexer")
