"""The settings of the indexer."""

from pathlib import Path
from typing import Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

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
    embedder: Literal["minilm", "multilingual", "openai", "none"] = Field(
        default="minilm",
        description="The model that finds texts by their meaning: minilm for English, multilingual"
        " for 16 languages, openai for a server that speaks OpenAI's embeddings request; with"
        " none, words alone count.",
    )
    embedder_url: str = Field(
        default="",
        pattern=r"^(https?://[^\s/].*)?$",
        description="Where the server of embeddings is, up to /v1, such as http://ollama:11434/v1.",
    )
    embedder_model: str = Field(
        default="",
        max_length=100,
        description="The model that the server of embeddings is asked for.",
    )
    embedder_key: SecretStr | None = Field(
        default=None, description="The key that the server of embeddings asks for, if any."
    )
    embedder_dimension: int = Field(
        default=0, ge=0, le=4096, description="The length of the vectors that it answers with."
    )
    embedder_texts_per_minute: int = Field(
        default=0, ge=0, description="Texts that it is asked for at most; 0 for no limit."
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

    @model_validator(mode="after")
    def _names_its_server(self) -> Self:
        named = self.embedder_url and self.embedder_model and self.embedder_dimension
        if self.embedder == "openai" and not named:
            raise ValueError(
                "embedder openai needs EMBEDDER_URL, EMBEDDER_MODEL and EMBEDDER_DIMENSION"
            )
        return self

    @property
    def vectors_folder(self) -> Path | None:
        """The folder of the embedded engine; None when vectors are on a server."""
        parts = urlsplit(self.vectors_url)
        return Path(unquote(parts.path)) if parts.scheme == "file" else None

    @property
    def role(self) -> str:
        """The run-time role, to which migrations grant what it needs."""
        return unquote(urlsplit(self.postgres_url).username or "indexer")
