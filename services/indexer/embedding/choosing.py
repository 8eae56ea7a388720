"""Which model makes the vectors: the one that is set, or the one that is left.

It is decided before the engine is opened, since vectors of two models are in two indexes.
"""

import hashlib
import math

import structlog

from services.indexer.embedding import ModelUnusable, minilm, multilingual
from services.indexer.embedding.loading import LocalSource, Source
from services.indexer.embedding.remote import RemoteEmbedder
from services.indexer.settings import Settings

log = structlog.get_logger(__name__)


def chosen(settings: Settings) -> Source | None:
    """Return the source of vectors; None to search by words alone."""
    match settings.embedder:
        case "none":
            return None
        case "openai":
            key = settings.embedder_key
            return RemoteEmbedder(
                settings.embedder_url,
                settings.embedder_model,
                settings.embedder_dimension,
                key=key.get_secret_value() if key else None,
                per_minute=settings.embedder_texts_per_minute or math.inf,
            )
        case "minilm":
            order = (_minilm, _multilingual)
        case "multilingual":
            order = (_multilingual,)
    for make in order:
        try:
            return make()
        except ModelUnusable as error:
            log.error("embedding model not usable", reason=str(error))  # noqa: TRY400
    return None


def folder_of(name: str) -> str:
    """Return the name of the folder, or of the collection, for vectors of a model."""
    if name == minilm.NAME:
        return "default"
    return f"model-{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def _minilm() -> Source:
    minilm.verify()
    return LocalSource(
        minilm.MiniLm,
        name=minilm.NAME,
        dimension=minilm.DIMENSION,
        similarity_min=minilm.SIMILARITY_MIN,
    )


def _multilingual() -> Source:
    multilingual.verify()
    return LocalSource(
        multilingual.Multilingual,
        name=multilingual.NAME,
        dimension=multilingual.DIMENSION,
        similarity_min=multilingual.SIMILARITY_MIN,
    )
