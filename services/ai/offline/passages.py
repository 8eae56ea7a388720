"""Chooses sentences that say the most about a scene: extracts, never a summary.

A sentence counts by its words that are frequent in its scene and rare in others.
"""

import math
from collections import Counter
from collections.abc import Sequence

from services.ai.offline.common_words import COMMON
from services.ai.offline.words import WORD, SceneText, Span

PASSAGES_MAX = 3
WORDS_PER_PASSAGE = 150
"""A shorter scene has fewer passages."""
SENTENCE_WORDS = (8, 60)
ALIKE_MAX = 0.5
"""Share of common words above which two sentences say the same."""
FIRST_BONUS = 1.15


def key_passages(scenes: Sequence[SceneText]) -> dict[int, list[Span]]:
    """Return the key passages of each scene, by its place in *scenes*."""
    bags = [Counter(_terms(" ".join(block.text for block in scene.blocks))) for scene in scenes]
    spread = Counter(term for bag in bags for term in bag)
    return {
        number: _chosen(scene, bags[number], spread, len(scenes))
        for number, scene in enumerate(scenes)
    }


def _chosen(scene: SceneText, bag: Counter[str], spread: Counter[str], scenes: int) -> list[Span]:
    wanted = min(PASSAGES_MAX, max(1, scene.word_count // WORDS_PER_PASSAGE))
    weights = {
        term: math.log1p(count) * math.log(1 + scenes / spread[term]) for term, count in bag.items()
    }
    scored: list[tuple[float, int, Span, frozenset[str]]] = []
    for number, span in enumerate(scene.sentences):
        size = len(WORD.findall(span.text))
        terms = frozenset(_terms(span.text))
        if not SENTENCE_WORDS[0] <= size <= SENTENCE_WORDS[1] or not terms:
            continue
        score = sum(weights[term] for term in terms) / math.sqrt(size)
        score *= FIRST_BONUS if span.block == 0 else 1.0
        scored.append((-score, number, span, terms))
    chosen: list[tuple[int, Span, frozenset[str]]] = []
    for _, number, span, terms in sorted(scored, key=lambda each: each[:2]):
        if all(len(terms & other) <= ALIKE_MAX * len(terms) for _, _, other in chosen):
            chosen.append((number, span, terms))
        if len(chosen) == wanted:
            break
    return [span for _, span, _ in sorted(chosen, key=lambda each: each[0])]


def _terms(text: str) -> list[str]:
    lowered = (word.lower() for word in WORD.findall(text))
    return [word for word in lowered if len(word) > 2 and word not in COMMON]
