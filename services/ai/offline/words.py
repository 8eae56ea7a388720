"""Blocks, sentences and words of scenes, with their places."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Block:
    """A block of a scene: its text, and the UTF-16 offset at which it begins in the scene.

    `type` is that of its editor, such as `dialogue`; `ends` is passed through: the ids of its first
    and last character.
    """

    text: str
    start: int
    type: str = "paragraph"
    ends: Any = None


@dataclass(frozen=True)
class SceneText:
    """The text of a scene; scenes are compared in the order in which they are given."""

    id: UUID
    title: str | None
    seq: int
    blocks: Sequence[Block]

    @cached_property
    def sentences(self) -> "list[Span]":
        """The sentences, in their order."""
        return [
            Span(self, number, start, end)
            for number, block in enumerate(self.blocks)
            for start, end in sentence_ends(block.text)
        ]

    @cached_property
    def word_count(self) -> int:
        """How many words it has."""
        return sum(len(WORD.findall(block.text)) for block in self.blocks)


@dataclass(frozen=True, slots=True)
class Span:
    """Some characters of a block: from `start` to `end`, counted in code points."""

    scene: SceneText
    block: int
    start: int
    end: int

    @property
    def text(self) -> str:
        """The words themselves."""
        return self.scene.blocks[self.block].text[self.start : self.end]

    @property
    def offsets(self) -> tuple[int, int]:
        """The place in the text of the scene, in UTF-16 units."""
        block = self.scene.blocks[self.block]
        begin = block.start + utf16(block.text[: self.start])
        return begin, begin + utf16(self.text)

    def sentence(self) -> "Span":
        """Return the sentence that this stands in."""
        text = self.scene.blocks[self.block].text
        for start, end in sentence_ends(text):
            if start <= self.start < end:
                return Span(self.scene, self.block, start, max(end, self.end))
        return self


WORD = re.compile(r"[^\W\d_]+(?:['’\-‐][^\W\d_]+)*")
ABBREVIATIONS = frozenset(
    [
        "mr",
        "mrs",
        "ms",
        "dr",
        "st",
        "prof",
        "rev",
        "hon",
        "capt",
        "col",
        "gen",
        "lt",
        "sgt",
        "messrs",
        "mme",
        "mlle",
        "jr",
        "sr",
        "vs",
        "etc",
        "no",
        "vol",
        "fig",
    ]
)
"""Words after which a full stop does not end a sentence."""

_END = re.compile(r"[.!?…]+[\"'”’)\]]*(?=\s|$)")
_SPEECH = re.compile(r"“[^”]*(?:”|$)|\"[^\"]*(?:\"|$)|‘[^’]*(?:[’](?!\w)|$)")


def utf16(text: str) -> int:
    """Return how many UTF-16 units a text has."""
    if text.isascii():
        return len(text)
    return len(text.encode("utf-16-le")) // 2


def sentence_ends(text: str) -> Iterator[tuple[int, int]]:
    """Yield where the sentences of a block begin and end."""
    start = 0
    for found in _END.finditer(text):
        if _is_abbreviation(text, found):
            continue
        if text[start : found.end()].strip():
            begin = start + len(text[start:]) - len(text[start:].lstrip())
            yield begin, found.end()
        start = found.end()
    rest = text[start:]
    if rest.strip():
        yield start + len(rest) - len(rest.lstrip()), len(text.rstrip())


def _is_abbreviation(text: str, end: re.Match[str]) -> bool:
    if end[0][0] != ".":
        # “Stop!” he said.
        return bool(re.match(r"\s+[a-z]", text[end.end() :]))
    before = re.search(r"([^\W\d_]+)$", text[max(0, end.start() - 12) : end.start()])
    if before and len(end[0]) == 1:
        word = before[1]
        if word.lower() in ABBREVIATIONS or (len(word) == 1 and word.isupper() and word != "I"):
            return True
    return bool(re.match(r"\s+[a-z]", text[end.end() :]))


def without_speech(text: str) -> str:
    """Return a block with spaces in place of all that is said in quotation marks."""
    return _SPEECH.sub(lambda found: " " * len(found[0]), text)
