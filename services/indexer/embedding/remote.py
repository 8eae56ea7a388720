"""Vectors from a server that speaks the embeddings request of OpenAI.

Ollama, llama.cpp, vLLM, text-embeddings-inference and most services of others do. What it answers
is checked as if a stranger had sent it.
"""

import asyncio
import hashlib
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any, cast

import httpx
import numpy as np
import structlog

from libs import errors
from services.indexer import metrics
from services.indexer.embedding import BadVector, Vector, checked

log = structlog.get_logger(__name__)

TEXTS_MAX = 16
"""Of one request."""
TRIES_MAX = 4
QUERY_WAIT_S_MAX = 1.5
"""A search does not wait longer; it is answered by words then."""
BATCH_WAIT_S_MAX = 30.0
RETRY_AFTER_S_MAX = 60.0
BACKOFF_S_FIRST = 0.5
ANSWER_BYTES_MAX = 32 << 20
CONNECTIONS_MAX = 4
MINUTE_S = 60.0

_OK, _TOO_MANY, _SERVER_FAILED = 200, 429, 500
_OF_THE_TEXT = frozenset({400, 413, 422})
"""Statuses that blame what was sent: of many texts one may be too long for the model."""


class RemoteEmbedder:
    """A model on a server."""

    similarity_min: float | None = None
    texts_max = TEXTS_MAX

    def __init__(
        self,
        url: str,
        model: str,
        dimension: int,
        *,
        key: str | None = None,
        per_minute: float = math.inf,
    ) -> None:
        """Ask `url/embeddings` for vectors of *model*, at most for so many texts *per_minute*."""
        origin = hashlib.sha256(url.rstrip("/").encode()).hexdigest()[:12]
        self.name = f"{model}@{origin}/{dimension}"
        self.dimension = dimension
        self._url = f"{url.rstrip('/')}/embeddings"
        self._model = model
        self._space_s = MINUTE_S / per_minute
        self._free_at = 0.0
        self._client = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            limits=httpx.Limits(max_connections=CONNECTIONS_MAX),
            follow_redirects=False,
            trust_env=False,
        )

    async def load(self) -> None:
        """Nothing is loaded here; a server that is away is asked again for each text."""

    async def embed(self, texts: Sequence[str], *, patient: bool) -> list[Vector | BadVector]:
        """Return a vector of each text, or why there is none.

        Raises:
            errors.Unavailable: The server does not answer, or says that it cannot now.
        """
        if patient:
            await self._turn(len(texts))
        answer = await self._ask(texts, patient=patient)
        if answer.status_code == _OK:
            return self._vectors(answer, len(texts))
        if answer.status_code in _OF_THE_TEXT:
            if len(texts) == 1:
                return [BadVector(f"the server refused the text: {answer.status_code}")]
            half = len(texts) // 2
            parts = (texts[:half], texts[half:])
            return [one for part in parts for one in await self.embed(part, patient=patient)]
        log.warning("embedding server refused", status=answer.status_code)
        raise errors.Unavailable("The embedding server refused.")

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _turn(self, texts: int) -> None:
        """Wait until the rate allows so many texts more."""
        now = time.monotonic()
        begin = max(now, self._free_at)
        self._free_at = begin + texts * self._space_s
        await asyncio.sleep(begin - now)

    async def _ask(self, texts: Sequence[str], *, patient: bool) -> httpx.Response:
        wait_s = BATCH_WAIT_S_MAX if patient else QUERY_WAIT_S_MAX
        tries, reason = TRIES_MAX if patient else 1, ""
        for attempt in range(1, tries + 1):
            pause_s = BACKOFF_S_FIRST * 2 ** (attempt - 1)
            try:
                # The limits of httpx are for each read: a trickle would go on for ever.
                async with asyncio.timeout(wait_s):
                    answer = await self._post(texts)
            except (httpx.HTTPError, TimeoutError) as error:
                reason = type(error).__name__
            else:
                status = answer.status_code
                if status != _TOO_MANY and status < _SERVER_FAILED:
                    return answer
                reason = str(status)
                pause_s = _retry_after_s(answer.headers, pause_s)
            metrics.embed_retries.labels(_kind(reason)).inc()
            if attempt < tries:
                await asyncio.sleep(pause_s)
        log.warning("embedding server does not answer", reason=reason, tries=tries)
        raise errors.Unavailable("The embedding server does not answer.")

    async def _post(self, texts: Sequence[str]) -> httpx.Response:
        asked = {"model": self._model, "input": list(texts), "encoding_format": "float"}
        async with self._client.stream("POST", self._url, json=asked, timeout=None) as answer:
            body = bytearray()
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > ANSWER_BYTES_MAX:
                    raise httpx.DecodingError("the answer is too long")
        return httpx.Response(
            answer.status_code, headers=_kept(answer.headers), content=bytes(body)
        )

    def _vectors(self, answer: httpx.Response, number: int) -> list[Vector | BadVector]:
        found: list[Vector | BadVector] = [BadVector("the server left it out")] * number
        for at, numbers in _rows(answer):
            if 0 <= at < number:
                found[at] = self._vector(numbers)
        return found

    def _vector(self, numbers: Any) -> Vector | BadVector:
        try:
            return checked(cast("Vector", np.asarray(numbers, dtype=np.float32)), self.dimension)
        except (TypeError, ValueError):
            return BadVector("something that is no list of numbers")
        except BadVector as error:
            return error


def _rows(answer: httpx.Response) -> list[tuple[int, Any]]:
    """Return the vectors of an answer with the numbers of their texts; nothing of nonsense."""
    try:
        said: Any = answer.json()
    except (ValueError, RecursionError):
        return []
    data: Any = cast("Mapping[str, Any]", said).get("data") if isinstance(said, dict) else None
    if not isinstance(data, list):
        return []
    rows: list[tuple[int, Any]] = []
    for one in cast("list[Any]", data):
        row: Mapping[str, Any] = cast("Mapping[str, Any]", one) if isinstance(one, dict) else {}
        at = row.get("index")
        if isinstance(at, int):
            rows.append((at, row.get("embedding")))
    return rows


def _retry_after_s(headers: Mapping[str, str], otherwise_s: float) -> float:
    """Return the seconds that a server asks to wait; dates are taken for a usual pause."""
    try:
        asked_s = float(headers.get("Retry-After", ""))
    except ValueError:
        return otherwise_s
    return min(max(asked_s, 0.0), RETRY_AFTER_S_MAX) if math.isfinite(asked_s) else otherwise_s


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    after = headers.get("Retry-After")
    return {} if after is None else {"Retry-After": after}


def _kind(reason: str) -> str:
    if reason == str(_TOO_MANY):
        return "busy"
    return "failed" if reason.isdigit() else "unanswered"
