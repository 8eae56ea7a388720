"""Words as sparse vectors: BM25 as the engine computes it, the same for both adapters."""

import re

import qdrant_edge as edge

from services.indexer.vectors import Sparse

AVERAGE_TOKENS = 60
"""Of a chunk, stop words aside; BM25 compares lengths with it."""
KNOWN_WORDS_MAX = 50_000
"""Words whose stems are remembered, for highlights."""

_WORD = re.compile(r"\w+(?:['\u2019]\w+)*")


class Words:
    """Weights of words, stemmed for one language."""

    def __init__(self, language: str) -> None:
        """Stem *language*, in English words: `english`, `german`.

        Raises:
            ValueError: It is not known.
        """
        config = edge.Bm25Config(language=language, avg_len=AVERAGE_TOKENS, ascii_folding=True)
        self._bm25 = edge.Bm25(config)
        self._known: dict[str, tuple[int, ...]] = {}

    def of_text(self, text: str) -> Sparse:
        """Return the words of a text that is stored."""
        return _sparse(self._bm25.embed_document(text))

    def of_query(self, text: str) -> Sparse:
        """Return the words of a query."""
        return _sparse(self._bm25.embed_query(text))

    def places(self, text: str, wanted: frozenset[int]) -> list[tuple[int, int]]:
        """Return where in *text* words stand whose stems are *wanted*."""
        found: list[tuple[int, int]] = []
        for match in _WORD.finditer(text):
            if not wanted.isdisjoint(self._stems(match[0].lower())):
                found.append(match.span())
        return found

    def _stems(self, word: str) -> tuple[int, ...]:
        known = self._known.get(word)
        if known is None:
            if len(self._known) >= KNOWN_WORDS_MAX:
                self._known.clear()
            known = self._known[word] = tuple(self._bm25.embed_query(word).indices)
        return known


def _sparse(vector: edge.SparseVector) -> Sparse:
    return Sparse(list(vector.indices), list(vector.values))
