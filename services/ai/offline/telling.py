"""Recognises point of view and tense by counting pronouns and verbs outside speech.

Thresholds decide, no majorities: a narrator who says *I* writes mostly about others.
"""

import re
from dataclasses import dataclass

from services.ai.offline.words import WORD, SceneText, Span, without_speech

WORDS_MIN = 80
"""A shorter text says too little."""
NARRATED_SHARE_MIN = 0.3
"""With less outside speech, the whole text is somebody's tale, and quotation marks say nothing."""
FIRST_PER_1000_MIN = 12.0
THIRD_PER_1000_MIN = 20.0
FIRST_PER_1000_MAX = 2.0
"""Above this a text is not surely told by nobody who is in it."""
SECOND_PER_1000_MIN = 25.0
VERBS_MIN = 12
SHARE_MIN = 0.8
"""Share of one tense among the verbs that decides for it."""

_FIRST = frozenset(["i", "me", "my", "mine", "myself", "i’m", "i’ve", "i’d", "i’ll"])
_SECOND = frozenset(["you", "your", "yours", "yourself"])
_THIRD = frozenset(
    [
        "he",
        "him",
        "his",
        "himself",
        "she",
        "her",
        "hers",
        "herself",
        "they",
        "them",
        "their",
        "themselves",
    ]
)
_PAST = frozenset(
    [
        "was",
        "were",
        "had",
        "did",
        "said",
        "went",
        "came",
        "saw",
        "took",
        "made",
        "gave",
        "found",
        "knew",
        "thought",
        "felt",
        "stood",
        "sat",
        "began",
        "became",
        "told",
        "asked",
        "looked",
        "turned",
        "seemed",
        "heard",
        "left",
        "ran",
        "held",
        "brought",
        "kept",
        "put",
        "let",
        "could",
        "would",
        "walked",
        "wanted",
        "replied",
    ]
)
_PRESENT = frozenset(
    [
        "is",
        "are",
        "am",
        "has",
        "have",
        "does",
        "do",
        "says",
        "goes",
        "comes",
        "sees",
        "takes",
        "makes",
        "gives",
        "finds",
        "knows",
        "thinks",
        "feels",
        "stands",
        "sits",
        "begins",
        "becomes",
        "tells",
        "asks",
        "looks",
        "turns",
        "seems",
        "hears",
        "leaves",
        "runs",
        "holds",
        "brings",
        "keeps",
        "puts",
        "lets",
        "can",
        "walks",
        "wants",
        "replies",
        "i’m",
        "it’s",
        "he’s",
        "she’s",
        "they’re",
    ]
)
_FUTURE = frozenset(["will", "shall", "i’ll", "he’ll", "she’ll", "they’ll"])
_LETTER = re.compile(
    r"^(?:my\s+)?(?:dear|dearest)\b|^to\s+(?:mr|mrs|miss|m|sir|lady)\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Telling:
    """How a scene is told; None where rules are not sure."""

    pov: str | None
    tense: str | None


def telling_of(scene: SceneText) -> Telling:
    """Return point of view and tense of a scene."""
    words = _words(_narrated(scene))
    if len(words) < WORDS_MIN:
        return Telling(None, None)
    return Telling(_pov(scene, words), _tense(words))


def evidence_of(
    scene: SceneText, *, pov: str | None = None, tense: str | None = None
) -> list[Span]:
    """Return two sentences of a scene that show a point of view or a tense the most."""
    wanted = {"FIRST": _FIRST, "SECOND": _SECOND, "THIRD": _THIRD, "PAST": _PAST}.get(
        pov or tense or "", _PRESENT
    )
    scored = [
        (sum(word in wanted for word in _words(without_speech(span.text))), number, span)
        for number, span in enumerate(scene.sentences)
    ]
    best = sorted(scored, key=lambda each: (-each[0], each[1]))[:2]
    return [span for count, _, span in sorted(best, key=lambda each: each[1]) if count]


def _narrated(scene: SceneText) -> str:
    """Return the text outside speech, or all of it when nearly all is one long speech."""
    whole = [block.text for block in scene.blocks if block.type not in ("dialogue", "character")]
    outside = [without_speech(text) for text in whole]
    spoken = "\n".join(whole)
    if sum(map(_size, outside)) < NARRATED_SHARE_MIN * _size(spoken):
        return spoken
    return "\n".join(outside)


def _size(text: str) -> int:
    return len(WORD.findall(text))


def _words(text: str) -> list[str]:
    return [word.lower().replace("'", "’") for word in WORD.findall(text)]


def _pov(scene: SceneText, words: list[str]) -> str | None:
    def per_1000(known: frozenset[str]) -> float:
        return 1000 * sum(word in known for word in words) / len(words)

    first, second, third = per_1000(_FIRST), per_1000(_SECOND), per_1000(_THIRD)
    if first >= FIRST_PER_1000_MIN:
        heads = [block.text.strip("“\"' ") for block in scene.blocks[:4]]
        return "EPISTOLARY" if any(map(_LETTER.match, heads)) else "FIRST"
    if second >= SECOND_PER_1000_MIN and first <= FIRST_PER_1000_MAX:
        return "SECOND"
    if third >= THIRD_PER_1000_MIN and first <= FIRST_PER_1000_MAX:
        return "THIRD"
    return None


def _tense(words: list[str]) -> str | None:
    past = sum(word in _PAST for word in words)
    present = sum(word in _PRESENT for word in words)
    future = sum(word in _FUTURE for word in words)
    total = past + present + future
    if total < VERBS_MIN:
        return None
    for count, tense in ((past, "PAST"), (present, "PRESENT"), (future, "FUTURE")):
        if count >= SHARE_MIN * total:
            return tense
    return None
