# ruff: noqa: RUF001 (texts have typographic apostrophes)
"""Names in a text: what is surely meant, what may be something else, and the new form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.collab.review.refactors.finder import (
    PLAIN,
    Doubt,
    Occurrence,
    Rules,
    Term,
    find,
    replaced,
)
from services.collab.review.refactors.forms import article_of
from services.collab.review.refactors.terms import renaming

MARA = Term("Mara", "Nora")


def renamed(text: str, *terms: Term, rules: Rules = PLAIN) -> str:
    """The text after all sure hits."""
    return replaced(text, [one for one in find(text, terms or [MARA], rules) if one.sure])


def doubts(text: str, *terms: Term, rules: Rules = PLAIN) -> list[tuple[str, Doubt]]:
    found = find(text, terms or [MARA], rules)
    return [(one.quote, one.doubt) for one in found if one.doubt]


class TestDisasters:
    """What writers lost chapters to."""

    @pytest.mark.parametrize(
        ("text", "term", "becomes"),
        [
            ("macaroni for Mac", Term("Mac", "Tom"), "macaroni for Tom"),
            ("Macbeth and Mac", Term("Mac", "Tom"), "Macbeth and Tom"),
            ("America loves Eric", Term("Eric", "Zac"), "America loves Zac"),
            ("Will you? Yes, if you will, Will.", Term("Will", "George"), None),
            ("He walked and talked to Ed, tired.", Term("Ed", "Bob"), None),
            ("The Artist and Art departed", Term("Art", "Lou"), "The Artist and Lou departed"),
            ("Mark the spot for Mark", Term("Mark", "Paul"), "Mark the spot for Paul"),
            ("In May we saw May.", Term("May", "June"), "In May we saw June."),
            ("Rosemary and Rose", Term("Rose", "Lily"), "Rosemary and Lily"),
            ("“Hope is gone,” said Hope.", Term("Hope", "Ann"), "“Hope is gone,” said Ann."),
            ("Sam's son Samson", Term("Sam", "Ben"), "Ben's son Samson"),
        ],
    )
    def test_they_do_not_happen(self, text: str, term: Term, becomes: str | None):
        made = {
            "Will": "Will you? Yes, if you will, George.",
            "Ed": "He walked and talked to Bob, tired.",
        }
        assert renamed(text, term) == (becomes or made[term.words])

    def test_a_short_name_is_not_shown_in_every_past_tense(self):
        """A list of a thousand doubtful places is no list."""
        assert find("walked talked wanted moved", [Term("Ed", "Bob")]) == []
        assert doubts("Edward", Term("Ed", "Bob")) == [("Ed", Doubt.PART_OF_WORD)]

    def test_doubtful_ones_are_shown_all_the_same(self):
        """A hit that nobody sees is found by the first reader."""
        text = "mara, tomara, O’Mara, Mary-Mara, mara@example.org"
        assert [doubt for _, doubt in doubts(text)] == [
            Doubt.OTHER_CASE,
            Doubt.PART_OF_WORD,
            Doubt.COMPOUND,
            Doubt.COMPOUND,
            Doubt.OTHER_CASE,
        ]
        assert renamed(text) == text


class TestForms:
    @pytest.mark.parametrize(
        ("text", "becomes"),
        [
            ("MARA", "NORA"),
            ("Mara’s MARA'S", "Nora’s NORA'S"),
            ("the Maras’ boat", "the Noras’ boat"),
            ("Mara-like, half-Mara", "Nora-like, half-Nora"),
            ("“Mara,” she said. ‘Mara?’", "“Nora,” she said. ‘Nora?’"),
            ("Mara’ll, Mara'd", "Nora’ll, Nora'd"),
            ("MARA (V.O.)\nMARA (CONT'D)\n@Mara", "NORA (V.O.)\nNORA (CONT'D)\n@Mara"),
            ("d’Mara", "d’Nora"),
            ("M\u00e1ra Mara", "M\u00e1ra Nora"),
            ("_Mara_ *Mara*", "_Mara_ *Nora*"),
        ],
    )
    def test_they_are_kept(self, text: str, becomes: str):
        assert renamed(text) == becomes

    def test_a_name_of_several_words_may_be_typed_in_several_ways(self):
        """Spaces that do not break, hyphens and apostrophes of all kinds."""
        term = Term("Jean-Luc O'Neil", "Tom Bo")
        assert renamed("Jean\u2011Luc\u00a0O\u2019Neil", term) == "Tom Bo"

    def test_accents_may_be_typed_in_two_ways(self):
        """Composed, or as a letter and its mark; a letter with another mark is another one."""
        term = Term("Zo\u00e9", "Ann")
        assert renamed("Zoe\u0301 Zo\u00e9 Zoe", term) == "Ann Ann Zoe"
        assert renamed("Zoe\u0301", Term("Zoe", "Ann")) == "Zoe\u0301"

    @pytest.mark.parametrize(
        ("style", "becomes"),
        [
            ("keep", "Thomas' and Thomas's"),
            ("s", "Thomas's and Thomas's"),
            ("apostrophe", "Thomas' and Thomas'"),
        ],
    )
    def test_a_name_on_s_owns_by_the_style(self, style: str, becomes: str):
        rules = Rules(possessive=style)  # pyright: ignore[reportArgumentType]
        assert renamed("James' and James's", Term("James", "Thomas"), rules=rules) == becomes
        assert renamed("James' hat", Term("James", "Tom"), rules=rules) == "Tom's hat"

    def test_the_end_of_a_quotation_owns_nothing(self):
        assert renamed("‘I saw James’ he said", Term("James", "Tom")) == "‘I saw Tom’ he said"

    @pytest.mark.parametrize(
        ("text", "becomes"),
        [
            ("She was a Mara and the best.", "She was an Anna and the best."),
            ("A MARA is the best.", "AN ANNA is the best."),
            ("Was it a  Mara?", "Was it an  Anna?"),
            ("Viva a Mara que foi.", "Viva a Anna que foi."),
        ],
    )
    def test_the_article_is_mended_in_english(self, text: str, becomes: str):
        assert renamed(text, Term("Mara", "Anna")) == becomes

    @pytest.mark.parametrize(
        ("word", "article"),
        [("hour", "an"), ("Eugene", "a"), ("Ursula", "an"), ("one", "a"), ("Yvonne", "an"),
         ("Unicorn", "a"), ("MP", "an"), ("house", "a"), ("Owen", "an")],
    )  # fmt: skip
    def test_articles(self, word: str, article: str):
        assert article_of(word) == article


class TestOthers:
    def test_the_name_of_another_person_is_not_touched(self):
        """The longest known name tells who is meant."""
        rules = Rules(others=("Mara Jade", "Old Mara"))
        text = "Mara met Mara Jade and Old Mara."
        assert renamed(text, rules=rules) == "Nora met Mara Jade and Old Mara."
        assert [why for _, why in doubts(text, rules=rules)] == [Doubt.OTHER_NAME] * 2

    def test_a_cue_is_a_name_in_a_screenplay(self):
        """In a line of its own, in capitals, also where the name is a word."""
        text = "WILL\nWhat will happen?\n\nWILL (V.O.)\nNothing."
        rules = Rules(screenplay=True)
        assert renamed(text, Term("Will", "Ann"), rules=rules) == (
            "ANN\nWhat will happen?\n\nANN (V.O.)\nNothing."
        )


class TestRenaming:
    def test_aliases_with_a_changed_part_change_with_the_name(self):
        found = renaming("Mara Voss", ["Mara", "Captain Mara", "Voss", "Red"], "Nora Voss")
        assert found.aliases == ["Nora", "Captain Nora", "Voss", "Red"]
        assert {(term.words, term.to, term.doubt) for term in found.terms} == {
            ("Mara Voss", "Nora Voss", None),
            ("Mara", "Nora", None),
            ("Captain Mara", "Captain Nora", None),
            ("Red", "Nora", Doubt.NICKNAME),
        }

    def test_a_part_that_is_no_alias_is_doubtful(self):
        found = renaming("Mara Voss", [], "Nora Quill")
        assert [(term.words, term.doubt) for term in found.terms] == [
            ("Mara Voss", None),
            ("Mara", Doubt.PART_OF_NAME),
            ("Voss", Doubt.PART_OF_NAME),
        ]

    def test_what_is_said_wins(self):
        found = renaming("Mara", ["Red"], "Nora", {"Red": "Blue"})
        assert Term("Red", "Blue") in found.terms
        assert found.aliases == ["Blue"]


WORDS = st.sampled_from(
    ["the", "marathon", "tomara", "Maras", "mara", "MARA", "and", "said", "a", "“", "’", "\n", "O",
     "\U0001f600", "Marah", "-", "'", "s", ".", "(V.O.)", "é", "\u0301", "_", "@"]
)  # fmt: skip
SOUP = st.lists(st.tuples(st.one_of(WORDS, st.just("Mara")), st.sampled_from(["", " ", "  "])))


def sound(text: str, found: list[Occurrence]) -> None:
    upto = 0
    for one in found:
        assert upto <= one.start < one.end <= len(text)
        assert text[one.start : one.end] == one.quote
        assert "\n" not in one.quote
        upto = one.end


class TestLaws:
    @given(SOUP)
    def test_hits_are_in_order_and_apart_and_say_what_stands_there(
        self, parts: list[tuple[str, str]]
    ):
        text = "".join(word + space for word, space in parts)
        for rules in (Rules(), Rules(possessive="s", screenplay=True, others=("Mara and",))):
            sound(text, find(text, [MARA, Term("MARA", "X"), Term("said", "told")], rules))

    @given(SOUP)
    def test_nothing_else_changes(self, parts: list[tuple[str, str]]):
        """A word that is not the name has the same letters afterwards, in the same order."""
        text = "".join(word + space for word, space in parts)
        left = text
        found = [one for one in find(text, [MARA]) if one.sure]
        for one in reversed(found):
            left = left[: one.start] + "#" + left[one.end :]
        now = renamed(text)
        for one in found:
            now = now.replace(one.text, "#", 1)
        assert now == left

    @given(st.lists(st.sampled_from(["said", "went", "Mara", "marathon", "to", "O", "MARA"])))
    def test_the_names_that_are_words_are_found_and_no_others(self, words: list[str]):
        text = " ".join(words)
        sure = [one.quote for one in find(text, [MARA]) if one.sure]
        assert sure == [word for word in words if word in ("Mara", "MARA")]

    @given(SOUP)
    def test_renaming_back_gives_the_same_text(self, parts: list[tuple[str, str]]):
        """As long as nobody had the new name before."""
        text = "".join(word + space for word, space in parts)
        there = renamed(text, Term("Mara", "Quill"))
        assert renamed(there, Term("Quill", "Mara")) == text

    @given(st.text(max_size=300), st.text(min_size=1, max_size=8), st.text(max_size=8))
    def test_any_text_is_searched(self, text: str, words: str, to: str):
        sound_enough = find(text, [Term(words, to)])
        assert [text[one.start : one.end] for one in sound_enough] == [
            one.quote for one in sound_enough
        ]
