"""Chunks, how they are known again, and snippets."""

from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.collab.passages import Passage
from libs.contracts.positions import CharacterId
from services.indexer.model.chunking import (
    PARAGRAPH_CHARS_MAX,
    Piece,
    card_of,
    pieces_of,
    utf16_length,
    windows,
)
from services.indexer.model.matching import Known, match
from services.indexer.model.snippets import SNIPPET_CHARS_MAX, snippet_of


def passage(text: str, at: int = 0, index: int = 0, client: int = 1) -> Passage:
    first = CharacterId(client=client, clock=at)
    last = CharacterId(client=client, clock=at + len(text) - 1)
    end = at + utf16_length(text)
    place = {"from": at, "to": end}
    return Passage(index=index, type="paragraph", text=text, first=first, last=last, **place)


def piece(text: str, first: tuple[int, int] = (0, 0), last: tuple[int, int] = (0, 0)) -> Piece:
    return Piece("PARAGRAPH", "paragraph", 0, 0, text, first=first, last=last)


def known(one: Piece) -> Known:
    return Known(uuid4(), one.part, one.text, one.hash, one.first, one.last)


@pytest.mark.timeout(20)
def test_repeated_letters_are_compared_in_no_time():
    """A scene of one letter would hold everybody up for half a minute, character by character."""
    ends = [((number, 0), (number, 9)) for number in range(120)]
    old = [known(piece("x" * 700 + f"{number}", *ends[number])) for number in range(60)]
    new = [piece("x" * 699 + f"y{number}", *ends[60 + number]) for number in range(60)]
    ids = match(old, new, uuid4)
    assert ids[0] in {one.id for one in old}
    same = [known(piece("Yours, etc.")) for _ in range(4_000)]
    assert len(set(match(same, [piece("Yours, etc.")] * 5_000, uuid4))) == 5_000


class TestWindows:
    def test_a_long_paragraph_is_cut_after_sentences(self):
        text = "It rained on the ice. " * 100
        found = list(windows(text))
        assert len(found) > 2
        assert all(len(window) <= PARAGRAPH_CHARS_MAX for _, window in found)
        assert all(window.endswith("ice.") for _, window in found)

    @given(st.text(alphabet="a. \U0001f600\u00e9", max_size=4000))
    def test_nothing_but_white_space_is_lost(self, text: str):
        found = list(windows(text))
        assert "".join(window for _, window in found).replace(" ", "") == text.replace(" ", "")
        assert all(text[at : at + len(window)] == window for at, window in found)

    def test_offsets_are_utf16_and_of_the_scene(self):
        text = "\U0001f600 " + "It rained on the ice. " * 60
        pieces = pieces_of([passage(text, at=7)])
        whole = "x" * 7 + text
        units = whole.encode("utf-16-le")
        for one in pieces:
            assert units[2 * one.start : 2 * one.end].decode("utf-16-le") == one.text

    def test_a_card_without_words_is_none(self):
        assert card_of(None, []) == []
        assert [one.text for one in card_of("Ice", ["A summary."])] == ["Ice\nA summary."]


class TestMatching:
    def test_ids_of_characters_tell_equal_texts_apart(self):
        """Letters end alike: the text alone would give the first one's id to the second."""
        old = [
            known(piece("Yours, etc.", (1, 0), (1, 10))),
            known(piece("Yours, etc.", (1, 50), (1, 60))),
        ]
        found = match(old, [piece("Yours, etc.", (1, 50), (1, 60))], uuid4)
        assert found == [old[1].id]

    def test_a_split_paragraph_keeps_its_id_in_the_first_part(self):
        [old] = [known(piece("It rained. We slept.", (1, 0), (1, 19)))]
        found = match(
            [old],
            [piece("It rained.", (1, 0), (1, 9)), piece("We slept.", (1, 11), (1, 19))],
            uuid4,
        )
        assert found[0] == old.id
        assert found[1] != old.id

    def test_what_was_written_again_is_known_by_its_likeness(self):
        """Editors may write a node anew, with new ids and a word changed."""
        old = [
            known(piece("Before.", (1, 0), (1, 6))),
            known(piece("It rained on the ice.", (1, 7), (1, 27))),
        ]
        new = [piece("Before.", (1, 0), (1, 6)), piece("It rained on the sea.", (2, 0), (2, 20))]
        assert match(old, new, uuid4) == [one.id for one in old]

    def test_a_moved_paragraph_keeps_its_id(self):
        old = [
            known(piece(text, (1, at), (1, at + 5)))
            for at, text in ((0, "One."), (10, "Two."), (20, "Three."))
        ]
        new = [
            piece("Three.", (2, 0), (2, 5)),
            piece("One.", (1, 0), (1, 5)),
            piece("Two.", (1, 10), (1, 15)),
        ]
        assert match(old, new, uuid4) == [old[2].id, old[0].id, old[1].id]

    @given(
        st.lists(st.sampled_from("abcd"), max_size=12),
        st.lists(st.sampled_from("abcd"), max_size=12),
    )
    def test_no_id_is_given_twice(self, before: list[str], after: list[str]):
        old = [known(piece(text * 5, (1, at), (1, at))) for at, text in enumerate(before)]
        new = [piece(text * 5, (2, at), (2, at)) for at, text in enumerate(after)]
        fresh: list[UUID] = []

        def new_id() -> UUID:
            fresh.append(uuid4())
            return fresh[-1]

        found = match(old, new, new_id)
        assert len(set(found)) == len(after)
        # Equal texts keep as many ids as there are in both.
        shared = sum(min(before.count(each), after.count(each)) for each in "abcd")
        assert len(found) - len(fresh) >= shared


class TestSnippets:
    def test_offsets_are_utf16_in_the_snippet(self):
        text = "\U0001f600 " + "snow " * 100 + "the storm came " + "ice " * 100
        at = text.index("storm")
        snippet, [(first, last)] = snippet_of(text, [(at, at + 5)])
        units = snippet.encode("utf-16-le")
        assert units[2 * first : 2 * last].decode("utf-16-le") == "storm"
        assert len(snippet) <= SNIPPET_CHARS_MAX + 2

    def test_a_short_text_is_shown_whole(self):
        assert snippet_of("It rained.", [(3, 9)]) == ("It rained.", [(3, 9)])
