"""Models: what a server of embeddings may answer, and what is left where files are not tested."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from libs import errors
from services.indexer.embedding import BadVector, minilm, multilingual, remote
from services.indexer.embedding.choosing import chosen, folder_of
from services.indexer.embedding.loading import Model
from services.indexer.embedding.remote import RemoteEmbedder
from services.indexer.settings import Settings
from tests.indexer.embedding_server import (
    DIMENSION,
    KEY,
    EmbeddingServer,
    Misdeed,
    Reply,
    answer,
    serving,
    vector_of,
)

TEXTS = ["a storm at sea", "the calm of the harbour", "bread"]


@pytest.fixture
async def server() -> AsyncIterator[EmbeddingServer]:
    async with serving() as running:
        yield running


@pytest.fixture
async def model(
    server: EmbeddingServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[RemoteEmbedder]:
    monkeypatch.setattr(remote, "BACKOFF_S_FIRST", 0.01)
    made = RemoteEmbedder(server.url, "words", DIMENSION, key=KEY)
    yield made
    await made.close()


def saying(said: Any, status: int = 200, **headers: str) -> Misdeed:
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: Reply(body, status, named)


def vectors(*some: Any) -> Misdeed:
    return saying({"data": [{"index": at, "embedding": one} for at, one in enumerate(some)]})


async def test_texts_of_a_batch_get_their_own_vectors(
    server: EmbeddingServer, model: RemoteEmbedder
) -> None:
    """One request; its answer names them in whatever order."""
    made = await model.embed(TEXTS, patient=True)
    assert server.asked == [TEXTS]
    for text, vector in zip(TEXTS, made, strict=True):
        assert not isinstance(vector, BadVector)
        assert np.allclose(vector, vector_of(text), atol=1e-6)


@pytest.mark.parametrize(
    "misdeed",
    [
        vectors([float("nan")] * DIMENSION),
        vectors([float("inf")] * DIMENSION),
        vectors([0.0] * DIMENSION),
        vectors([1.0] * (DIMENSION + 1)),
        vectors([[1.0] * DIMENSION]),
        vectors(None),
        vectors("AAAA"),
        vectors(["one"] * DIMENSION),
        saying({"data": [{"index": 7, "embedding": [1.0] * DIMENSION}]}),
        saying({"data": [{"index": True}]}),
        saying({"data": {"index": 0}}),
        saying({"data": ["vector"]}),
        saying(["data"]),
        saying(b"<html>"),
        saying(b"[" * 100_000),
        saying(b"\xff\xfe"),
    ],
)
async def test_what_is_no_vector_is_not_stored(
    server: EmbeddingServer, model: RemoteEmbedder, misdeed: Misdeed
) -> None:
    """A number that is none, another length, no list, no JSON."""
    server.misdeeds = [misdeed]
    [made] = await model.embed(TEXTS[:1], patient=True)
    assert isinstance(made, BadVector)


async def test_a_text_that_the_server_refuses_does_not_take_others_along(
    server: EmbeddingServer, model: RemoteEmbedder
) -> None:
    def refuse(asked: dict[str, Any]) -> Reply:
        return Reply(b"{}", 400) if TEXTS[1] in asked["input"] else answer(asked)

    server.always = refuse
    made = await model.embed(TEXTS, patient=True)
    assert [isinstance(one, BadVector) for one in made] == [False, True, False]


async def test_a_busy_server_is_asked_again_when_it_says(
    server: EmbeddingServer, model: RemoteEmbedder
) -> None:
    """Retry-After counts, and what it is not understood of is a usual pause."""
    server.misdeeds = [
        saying({}, 429, Retry_After="0.3"),
        saying({}, 503, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"),
        saying({}, 429, Retry_After="nan"),
    ]
    started = time.monotonic()
    [made] = await model.embed(TEXTS[:1], patient=True)
    assert not isinstance(made, BadVector)
    assert 0.3 <= time.monotonic() - started < 3
    assert len(server.asked) == 4


async def test_a_search_does_not_wait_for_a_busy_server(
    server: EmbeddingServer, model: RemoteEmbedder
) -> None:
    server.misdeeds = [saying({}, 429, Retry_After="60")]
    async with asyncio.timeout(1):
        with pytest.raises(errors.Unavailable):
            await model.embed(TEXTS[:1], patient=False)
    assert len(server.asked) == 1


async def test_a_server_that_never_answers_is_given_up(
    server: EmbeddingServer, model: RemoteEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "QUERY_WAIT_S_MAX", 0.1)
    monkeypatch.setattr(remote, "BATCH_WAIT_S_MAX", 0.1)
    server.always = lambda _: Reply(b"", after_s=30)
    for patient in (False, True):
        with pytest.raises(errors.Unavailable):
            await model.embed(TEXTS[:1], patient=patient)
    assert len(server.asked) == 1 + remote.TRIES_MAX


async def test_a_server_that_is_not_there_is_told() -> None:
    nobody = RemoteEmbedder("http://127.0.0.1:1/v1", "words", DIMENSION)
    with pytest.raises(errors.Unavailable):
        await nobody.embed(TEXTS, patient=True)
    await nobody.close()


async def test_an_endless_answer_is_not_read(
    server: EmbeddingServer, model: RemoteEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "ANSWER_BYTES_MAX", 10_000)
    server.always = saying(b" " * 20_000)
    with pytest.raises(errors.Unavailable):
        await model.embed(TEXTS, patient=True)


async def test_a_wrong_key_is_told(server: EmbeddingServer) -> None:
    stranger = RemoteEmbedder(server.url, "words", DIMENSION, key="sk-other")
    with pytest.raises(errors.Unavailable):
        await stranger.embed(TEXTS, patient=True)
    await stranger.close()
    assert server.asked == []


async def test_the_rate_is_kept(server: EmbeddingServer) -> None:
    """Of texts, not of requests; searches go first."""
    slow = RemoteEmbedder(server.url, "words", DIMENSION, key=KEY, per_minute=600)
    started = time.monotonic()
    await slow.embed(TEXTS, patient=True)
    await slow.embed(TEXTS, patient=False)
    assert time.monotonic() - started < 0.25
    await slow.embed(TEXTS, patient=True)
    assert time.monotonic() - started >= 0.3
    await slow.close()


def settings(**more: Any) -> Settings:
    return Settings(
        postgres_url="postgresql://indexer@localhost/indexer",  # pyright: ignore[reportArgumentType]
        vectors_url="file:///tmp/vectors",
        nats_url="nats://localhost",
        ops_port=8000,
        **more,
    )


def test_a_server_of_embeddings_is_named_in_full() -> None:
    with pytest.raises(ValidationError, match="EMBEDDER_URL"):
        settings(embedder="openai", embedder_model="words")
    named = settings(
        embedder="openai",
        embedder_url="http://ollama:11434/v1/",
        embedder_model="words",
        embedder_dimension=DIMENSION,
    )
    source = chosen(named)
    assert source is not None
    assert source.dimension == DIMENSION
    assert folder_of(source.name) != folder_of(minilm.NAME) == "default"


def test_a_file_that_was_not_tested_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another model is left, and search by words after that."""
    assert (source := chosen(settings())) is not None
    assert source.name == minilm.NAME
    monkeypatch.setattr(minilm, "MODEL_SHA256", "0" * 64)
    assert (source := chosen(settings())) is not None
    assert source.name == multilingual.NAME
    monkeypatch.setattr(multilingual, "WEIGHTS_SHA256", "0" * 64)
    assert chosen(settings()) is None


async def test_the_multilingual_model_knows_other_languages() -> None:
    """The same is said in German, French and English, and another thing in English."""
    model = Model(chosen(settings(embedder="multilingual")))
    with pytest.raises(errors.Unavailable):
        await model.embed("not yet")
    await model.load()
    made = await model.embed_all(
        [
            "The storm broke the mast of the ship.",
            "Der Sturm zerbrach den Mast des Schiffes.",
            "La temp\u00eate a bris\u00e9 le m\u00e2t du navire.",
            "He liked to bake bread in the mornings.",
        ]
    )
    said, german, french, other = [one for one in made if not isinstance(one, BadVector)]
    assert float(said @ german) > 2 * float(said @ other)
    assert float(said @ french) > 2 * float(said @ other)
