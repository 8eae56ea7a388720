"""The model of the service: chosen at the start, and loaded while search by words is served."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from libs import errors
from services.indexer.embedding import BadVector, Embedder, ModelUnusable, Vector

log = structlog.get_logger(__name__)

NO_MODEL = "none"
DIMENSION_WITHOUT = 384
"""Of an engine that is given no vectors."""


class Source(Protocol):
    """Where vectors come from: a model in this process, or a server."""

    @property
    def name(self) -> str:
        """Name and fingerprint; vectors of different names never mix."""
        ...

    @property
    def dimension(self) -> int:
        """The length of its vectors."""
        ...

    @property
    def similarity_min(self) -> float | None:
        """The similarity below which texts have nothing in common; None for no such limit."""
        ...

    @property
    def texts_max(self) -> int:
        """Texts that it is given at once."""
        ...

    async def load(self) -> None:
        """Make it ready. Raises ModelUnusable."""
        ...

    async def embed(self, texts: Sequence[str], *, patient: bool) -> list[Vector | BadVector]:
        """Return a vector of each text, or why there is none.

        One who is *patient* waits for a busy server. Raises errors.Unavailable when it is away.
        """
        ...

    async def close(self) -> None:
        """Let go of it."""
        ...


class LocalSource:
    """A model that runs in a thread of this process, one text after the other."""

    texts_max = 1

    def __init__(
        self, make: Callable[[], Embedder], *, name: str, dimension: int, similarity_min: float
    ) -> None:
        """Make the model when it is loaded."""
        self.name = name
        self.dimension = dimension
        self.similarity_min: float | None = similarity_min
        self._make = make
        self._embedder: Embedder | None = None

    async def load(self) -> None:
        """Load the files. Raises ModelUnusable."""
        self._embedder = await asyncio.to_thread(self._make)

    async def embed(self, texts: Sequence[str], *, patient: bool) -> list[Vector | BadVector]:
        """Return a vector of each text, or why there is none."""
        del patient
        return [await asyncio.to_thread(self._one, text) for text in texts]

    def _one(self, text: str) -> Vector | BadVector:
        if self._embedder is None:
            raise errors.Unavailable("The embedding model is not loaded.")
        try:
            return self._embedder.embed(text)
        except BadVector as error:
            return error

    async def close(self) -> None:
        """There is nothing to let go of."""


class Model:
    """A source of vectors that is there, or is being loaded, or is not there at all."""

    def __init__(self, source: Source | None) -> None:
        """Load nothing yet."""
        self.name = NO_MODEL if source is None else source.name
        self.dimension = DIMENSION_WITHOUT if source is None else source.dimension
        self._source = source
        self._ready = False

    @property
    def similarity_min(self) -> float | None:
        """The similarity below which texts have nothing in common; None for no such limit."""
        return None if self._source is None else self._source.similarity_min

    @property
    def texts_max(self) -> int:
        """Texts that it is given at once."""
        return 1 if self._source is None else self._source.texts_max

    @property
    def is_ready(self) -> bool:
        """Whether texts can be embedded now."""
        return self._ready

    @property
    def is_expected(self) -> bool:
        """Whether there is a model, loaded or not."""
        return self._source is not None

    async def load(self) -> None:
        """Load the model; without a usable one, search goes on by words alone."""
        if self._source is None:
            return
        try:
            await self._source.load()
        except ModelUnusable as error:
            self._source, self.name = None, NO_MODEL
            log.error("no embedding model: search is by words alone", reason=str(error))  # noqa: TRY400
        else:
            self._ready = True
            log.info("embedding model loaded", model=self.name)

    async def embed_all(self, texts: Sequence[str]) -> list[Vector | BadVector]:
        """Return a vector of each text that is stored, or why there is none.

        Raises:
            errors.Unavailable: It is not loaded, or its server is away.
        """
        return await self._loaded().embed(texts, patient=True)

    async def embed(self, text: str) -> Vector:
        """Return the vector of a query, soon or not at all.

        Raises:
            BadVector: The model made none.
            errors.Unavailable: It is not loaded, or its server does not answer in time.
        """
        [vector] = await self._loaded().embed([text], patient=False)
        if isinstance(vector, BadVector):
            raise vector
        return vector

    async def close(self) -> None:
        """Let go of it."""
        if self._source is not None:
            await self._source.close()

    def _loaded(self) -> Source:
        if self._source is None or not self._ready:
            raise errors.Unavailable("The embedding model is not loaded.")
        return self._source
