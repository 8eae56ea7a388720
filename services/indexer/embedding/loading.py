"""The model of the service: loaded in the background, so that search by words starts at once."""

import asyncio

import structlog

from services.indexer.embedding import Embedder, ModelUnusable, Vector
from services.indexer.embedding.minilm import NAME, MiniLm

log = structlog.get_logger(__name__)

NO_MODEL = "none"


class Model:
    """An embedder that is there, or is being loaded, or is not there at all."""

    def __init__(self, *, enabled: bool) -> None:
        """Load nothing yet."""
        self.name = NAME if enabled else NO_MODEL
        self._embedder: Embedder | None = None
        self._enabled = enabled

    @property
    def similarity_min(self) -> float | None:
        """The similarity below which texts have nothing in common; None for no such limit."""
        return None if self._embedder is None else self._embedder.similarity_min

    @property
    def is_ready(self) -> bool:
        """Whether texts can be embedded now."""
        return self._embedder is not None

    @property
    def is_expected(self) -> bool:
        """Whether there is a model, loaded or not."""
        return self._enabled

    async def load(self) -> None:
        """Load the model; without a usable one, search goes on by words alone."""
        if not self._enabled:
            return
        try:
            self._embedder = await asyncio.to_thread(MiniLm)
        except ModelUnusable as error:
            self._enabled, self.name = False, NO_MODEL
            log.error("no embedding model: search is by words alone", reason=str(error))  # noqa: TRY400
        else:
            log.info("embedding model loaded", model=self.name)

    async def embed(self, text: str) -> Vector:
        """Return the vector of a text.

        Raises:
            BadVector: The model made none.
            RuntimeError: It is not loaded.
        """
        if self._embedder is None:
            raise RuntimeError("the model is not loaded")
        return await asyncio.to_thread(self._embedder.embed, text)
