"""Authors, scenes and decisions, one after another at random: no word of an author is lost."""

from random import Random
from uuid import UUID

import pytest

from libs.contracts.collab.suggestions import SuggestionStatus
from libs.contracts.editors import BuiltIn
from services.collab.review.suggesting.deriving import Told
from services.collab.review.suggesting.matching import Known
from tests.collab.review.suggesting.test_deriving import Sheet, written

SEASONS, STEPS = 10, 12


class Season:
    """A branch and its suggestions as the follower keeps them, and the words of its author."""

    def __init__(self, editor: BuiltIn, pick: Random) -> None:
        self.pick, self.sheet = pick, Sheet(editor, written(pick))
        self.known: dict[UUID, Known] = {}
        self.told: dict[UUID, Told] = {}
        self.alive: set[str] = set()
        self.accepted: set[str] = set()
        self.count = 0

    def follow(self) -> None:
        found = self.sheet.derive(*self.known.values())
        self.known, self.told = {}, {}
        for one in found.told:
            self.count += 1
            ident = one.id or UUID(int=self.count)
            assert ident not in self.known
            said = one.proposal
            self.told[ident] = one
            self.known[ident] = Known(
                ident, SuggestionStatus.OPEN, said.region, one.outdated, said.attributes
            )

    def insert(self, text: str, name: str) -> tuple[str, str]:
        """Return *text* with a new word, at times in a new line, and the word."""
        self.count += 1
        word = f"{name}{self.count}q"
        lines = text.split("\n")
        at = self.pick.randrange(len(lines))
        if self.pick.random() < 0.2:
            lines.insert(at, word)
        else:
            words = lines[at].split(" ")
            words.insert(self.pick.randint(0, len(words)), word)
            lines[at] = " ".join(words)
        return "\n".join(lines), word

    def author_writes(self) -> None:
        text, word = self.insert(self.sheet.text(self.sheet.branch), "a")
        self.sheet.branch = self.sheet.put(self.sheet.branch, text)
        self.alive.add(word)

    def scene_writes(self) -> None:
        text, _ = self.insert(self.sheet.text(self.sheet.scene), "s")
        self.sheet.scene = self.sheet.put(self.sheet.scene, text)

    def decide(self) -> None:
        """Decide about what the scene still has words for, as the follower told it."""
        self.follow()
        for ident, one in self.told.items():
            if one.outdated or self.pick.random() < 0.5:
                continue
            words = {word for word in self.alive if word in one.proposal.region.text}
            status = self.pick.choice((SuggestionStatus.ACCEPTED, SuggestionStatus.REJECTED))
            if status is SuggestionStatus.ACCEPTED:
                if self.sheet.accept(one):
                    continue
                self.accepted |= words
            else:
                self.alive -= words
            held = self.known[ident]
            self.known[ident] = Known(ident, status, held.region)
            if status is SuggestionStatus.REJECTED:
                # What an author types into a change before it is out is another change.
                self.follow()
            break


@pytest.mark.parametrize("editor", [BuiltIn.PLAIN, BuiltIn.TIPTAP, BuiltIn.SLATE, BuiltIn.LEXICAL])
def test_every_word_of_an_author_is_there_once(editor: BuiltIn) -> None:
    for seed in range(SEASONS):
        pick = Random(f"season {editor} {seed}")
        season = Season(editor, pick)
        for _ in range(STEPS):
            pick.choice((season.author_writes, season.scene_writes, season.decide))()
            if pick.random() < 0.5:
                season.follow()
                words = season.sheet.text(season.sheet.branch).split()
                typed = [word for word in words if word.startswith("a") and word.endswith("q")]
                assert sorted(typed) == sorted(season.alive), seed
        there = season.sheet.text(season.sheet.scene).split()
        assert all(there.count(word) == 1 for word in season.accepted), seed
