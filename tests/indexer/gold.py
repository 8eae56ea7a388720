"""The questions in `questions/`, their books, and the measures of an answer."""

import csv
import json
import math
import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "questions"
FRANKENSTEIN = Path(__file__).parents[2] / "data" / "manuscripts" / "frankenstein.json"
BOOKS = {"frankenstein": FRANKENSTEIN, "baskervilles": FOLDER / "baskervilles.json"}
FIRST = 10
"""Hits that count."""
RESAMPLES = 4_000

type Place = tuple[int, int]
"""The numbers of a chapter and of a paragraph in it."""


@dataclass(frozen=True)
class Question:
    """A question and the paragraph that answers it."""

    kind: str
    gold: Place
    text: str


@dataclass(frozen=True)
class BookEntity:
    """A person, a place or a thing as a story bible has it."""

    names: tuple[str, ...]
    description: str


@dataclass(frozen=True)
class Book:
    """A book with the questions on it."""

    title: str
    chapters: tuple[tuple[str, ...], ...]
    questions: tuple[Question, ...]
    entities: tuple[BookEntity, ...]

    def paragraphs(self) -> dict[Place, str]:
        return {
            (number, at): text
            for number, chapter in enumerate(self.chapters)
            for at, text in enumerate(chapter)
        }


def read(name: str) -> Book:
    """Read a book and its questions."""
    book = json.loads(BOOKS[name].read_text())
    chapters = tuple(tuple(chapter["paragraphs"]) for chapter in book["chapters"])
    with (FOLDER / f"{name}.tsv").open(newline="") as lines:
        questions = tuple(
            Question(kind, _place(gold), text)
            for kind, gold, text in csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        )
    with (FOLDER / f"{name}.entities.tsv").open(newline="") as lines:
        entities = tuple(
            BookEntity((main, *(one for one in others.split(";") if one)), description)
            for main, others, description in csv.reader(lines, delimiter="\t")
        )
    return Book(book["title"], chapters, questions, entities)


def _place(written: str) -> Place:
    chapter, _, paragraph = written.partition(".")
    return int(chapter), int(paragraph)


def rank(places: Sequence[Place], gold: Place) -> int:
    """Return at which place, from 1, the gold paragraph is; 0 if it is nowhere."""
    order = list(dict.fromkeys(places))
    return order.index(gold) + 1 if gold in order else 0


def recall(ranks: Sequence[int]) -> float:
    """Return the share of questions whose paragraph is among the first hits."""
    return sum(0 < one <= FIRST for one in ranks) / len(ranks)


def reciprocal(ranks: Sequence[int]) -> float:
    """Return the mean reciprocal rank among the first hits."""
    return sum(1 / one for one in ranks if 0 < one <= FIRST) / len(ranks)


def interval(
    measure: Callable[[Sequence[int]], float],
    ours: Sequence[int],
    theirs: Sequence[int],
    compare: Callable[[float, float], float],
) -> tuple[float, float]:
    """Return the 95 % interval of a comparison: paired bootstrap over the questions."""
    choose = random.Random(15)
    number = len(ours)
    seen: list[float] = []
    for _ in range(RESAMPLES):
        chosen = choose.choices(range(number), k=number)
        one = measure([ours[at] for at in chosen])
        other = measure([theirs[at] for at in chosen])
        seen.append(compare(one, other))
    seen.sort()
    return seen[int(RESAMPLES * 0.025)], seen[int(RESAMPLES * 0.975)]


class EntitySearch:
    """The search that others have: by the names of entities, and by those that a query resembles.

    Entities that the query names count, or else the three whose description resembles it most;
    paragraphs that name the most, and the rarest, come first.
    """

    NEAREST = 3

    def __init__(self, book: Book, likeness: Callable[[str, BookEntity], float]) -> None:
        """*likeness* compares a query with an entity."""
        self._entities = book.entities
        self._likeness = likeness
        texts = book.paragraphs()
        self._named = {place: self._names_in(text) for place, text in texts.items()}
        number: Counter[int] = Counter()
        for named in self._named.values():
            number.update(named.keys())
        self._rarity = {one: math.log(1 + len(texts) / count) for one, count in number.items()}

    def search(self, query: str) -> list[Place]:
        wanted = dict.fromkeys(self._names_in(query), 1.0)
        if not wanted:
            near = sorted(
                range(len(self._entities)),
                key=lambda at: -self._likeness(query, self._entities[at]),
            )
            wanted = {at: self._likeness(query, self._entities[at]) for at in near[: self.NEAREST]}
        scores = {
            place: sum(
                weight * self._rarity[one] * (1 + math.log(named[one]))
                for one, weight in wanted.items()
                if one in named
            )
            for place, named in self._named.items()
        }
        return sorted((one for one in scores if scores[one] > 0), key=lambda one: -scores[one])

    def _names_in(self, text: str) -> Counter[int]:
        found: Counter[int] = Counter()
        for at, entity in enumerate(self._entities):
            count = sum(
                len(re.findall(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE))
                for name in entity.names
            )
            if count:
                found[at] = count
        return found
