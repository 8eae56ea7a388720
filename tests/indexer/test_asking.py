"""Queries as they are understood: phrases, typing errors, fusion, cursors. Pure functions."""

import asyncio
from typing import Any, ClassVar
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs import errors
from libs.contracts.indexer.search import SearchProject
from services.indexer.lexical import Words
from services.indexer.searching.asked import PHRASES_MAX, parse
from services.indexer.searching.cursors import Mark, cursor_after, mark_in
from services.indexer.searching.fusion import fused
from services.indexer.searching.spelling import Spelling, correct
from services.indexer.store import Store
from services.indexer.vectors import Found, Match

WORDS = Words("english")


def match(score: float, ident: UUID | None = None) -> Match:
    return Match(ident or uuid4(), score, "hash")


class TestPhrases:
    @pytest.mark.parametrize(
        "q",
        ['a "broken mast" at sea', "a \u201cbroken  mast\u201d at sea", "\u00abbroken mast\u00bb"],
    )
    def test_words_between_quotes_are_a_phrase(self, q: str):
        asked = parse(q)
        assert asked.phrases == ("broken mast",)
        assert asked.is_in("The BROKEN\n mast fell.")
        assert not asked.is_in("The mast was broken.")
        assert not asked.is_in("Unbroken masts.")

    def test_either_apostrophe_is_the_same(self):
        asked = parse('"Walton\'s ship"')
        assert asked.is_in("It was Walton\u2019s ship.")
        assert asked.like() == ["%Walton_s%ship%"]

    def test_signs_of_patterns_mean_themselves(self):
        """No query is a pattern of the database or of a regular expression."""
        asked = parse('"100% (a|b)*_"')
        assert asked.like() == [r"%100\%%(a|b)*\_%"]
        assert asked.is_in("It says 100% (a|b)*_ there.")
        assert not asked.is_in("It says 1000 ab there.")

    def test_a_lone_quote_is_nothing_special(self):
        assert parse('five " inches').phrases == ()
        assert parse('"" "?" "a').phrases == ()
        assert len(parse('"one two" ' * 20).phrases) == PHRASES_MAX

    @given(st.text(max_size=1_000))
    def test_everything_is_understood(self, q: str):
        """Whatever it is: control characters, halves of pairs, quotes without an end."""
        asked = parse(q)
        assert "\0" not in asked.text
        asked.text.encode()
        assert isinstance(asked.is_in(q), bool)


class TestSpelling:
    VOCABULARY: ClassVar = {
        "frankenstein": 9,
        "elizabeth": 7,
        "storm": 5,
        "stork": 1,
        "ships": 4,
        "mast": 2,
    }

    @pytest.mark.parametrize(
        ("typed", "meant"),
        [
            ("Frankenstien", "frankenstein"),
            ("Elisabet", "elizabeth"),
            ("strom at sea", "storm at sea"),
            ("stor", "storm"),
            ("storms", "storms"),
            ("ship", "ship"),
            ("storm", "storm"),
            ("kubernetes", "kubernetes"),
            ("1234 mst", "1234 mst"),
        ],
    )
    def test_the_nearest_word_of_the_project_is_taken(self, typed: str, meant: str):
        """Two errors in long words, one in short ones; other forms of known words are right."""
        assert correct(typed, self.VOCABULARY, WORDS) == meant

    def test_nothing_is_corrected_without_words(self):
        assert correct("strom", {}, WORDS) == "strom"

    async def test_nobody_waits_for_words_that_are_being_counted(self):
        """In a large project they take seconds: the answer comes without them, and once only."""
        store = SlowStore()
        spelling, project = Spelling(store, WORDS), uuid4()
        async with asyncio.timeout(1):
            assert await spelling.corrected(project, "strom") is None
            assert await spelling.corrected(project, "strom") is None
        store.may.set()
        assert await spelling.corrected(project, "strom") == "storm"
        assert store.counted == 1


class SlowStore(Store):
    """A database that counts words when it may."""

    def __init__(self) -> None:
        self.may = asyncio.Event()
        self.counted = 0

    async def rows(self, query: str, *arguments: Any) -> list[Any]:
        del query, arguments
        self.counted += 1
        await self.may.wait()
        return [{"word": "storm", "ndoc": 1}]


class TestFusion:
    def test_what_both_found_comes_first(self):
        both, words, meaning = uuid4(), uuid4(), uuid4()
        found = Found(
            [match(9.0, words), match(8.0, both)], [match(0.9, meaning), match(0.8, both)]
        )
        order = [one.id for one in fused(found)]
        # Twice second is 2/3, once first 1/2; of the two, the one that is meant.
        assert order == [both, meaning, words]

    def test_weak_words_do_not_fill_the_page(self):
        strong, weak = match(10.0), match(1.0)
        assert fused(Found([strong, weak])) == [strong]
        assert [one.id for one in fused(Found([strong, weak], [match(0.5, weak.id)]))] == [
            weak.id,
            strong.id,
        ]

    def test_one_kind_alone_keeps_its_scores(self):
        only = [match(0.9), match(0.4)]
        assert fused(Found(meaning=only)) == only
        assert fused(Found()) == []


class TestCursors:
    QUESTION = SearchProject(q="storm")

    def after(self, mark: Mark, *shown: UUID, corrected: str | None = None) -> SearchProject:
        cursor = cursor_after(self.QUESTION, mark, shown, corrected)
        return self.QUESTION.model_copy(update={"cursor": cursor})

    def test_what_was_shown_is_known_on_all_further_pages(self):
        """Ranks may change between pages: nothing comes twice."""
        one, other, third = uuid4(), uuid4(), uuid4()
        first = mark_in(self.after(Mark(), one, corrected="storms"))
        second = mark_in(self.after(first, other, corrected="storms"))
        assert [second.has(each) for each in (one, other, third)] == [True, True, False]
        assert second.corrected == "storms"

    def test_a_cursor_fits_its_limit(self):
        question = self.after(Mark(), *(uuid4() for _ in range(200)), corrected="x" * 300)
        assert len(SearchProject.model_validate(question.model_dump()).cursor or "") < 2_000

    @pytest.mark.parametrize("cursor", ["", "x", "AAAA", "!!", "A" * 1_999, "\u0410"])
    def test_another_cursor_is_refused(self, cursor: str):
        with pytest.raises(errors.Invalid):
            mark_in(self.QUESTION.model_copy(update={"cursor": cursor}))
        mine = self.after(Mark(), uuid4())
        with pytest.raises(errors.Invalid):
            mark_in(mine.model_copy(update={"q": "snow"}))
