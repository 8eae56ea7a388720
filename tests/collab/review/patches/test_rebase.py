"""Where hunks land, against a model that knows each word: no word of others is lost or doubled."""

from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from libs.contracts.collab.patches import ConflictReason, HunkKind
from services.collab.review.patches.rebase import (
    Clash,
    Landing,
    Rebased,
    Standing,
    merged,
    outcome,
    rebase,
    renewed,
)

KINDS = (HunkKind.REPLACE, HunkKind.INSERT, HunkKind.DELETE)


def standing(now: str, words: str, *, number: int = 1, **fields: Any) -> Standing:
    """Return a hunk whose words stand in *now* where *words* do."""
    start = now.index(words)
    given: dict[str, Any] = {"kind": HunkKind.REPLACE, "side": "after", "base": words}
    given |= {"text": "x", "place": (start, start + len(words))} | fields
    return Standing(number=number, **given)


def applied(now: str, found: Rebased) -> str:
    """Return the text with all that landed."""
    return outcome(now, ((one.start, one.end, one.text) for one in found.landings))


@pytest.mark.parametrize(
    ("base", "now", "wanted", "both"),
    [
        ("a b c", "a b c", "a x c", "a x c"),
        ("a b c d", "z b c d", "a b c y", "z b c y"),
        ("a b c d", "a b c d e", "x b c d", "x b c d e"),
        ("a b c", "a z c", "a x c", None),
        ("a b c", "a b, z c", "a x c", None),
        ("a b c", "a b z c", "a x c", "a x z c"),
        ("a b c", "a x c", "a x c", "a x c"),
        ("rain", "rains", "rain and hail", None),
        ("rain", "cold rain", "rain and hail", "cold rain and hail"),
        ("a b c d e", "a c d e", "a b c d", "a c d"),
    ],
)
def test_both_sides_are_merged_by_word(base: str, now: str, wanted: str, both: str | None) -> None:
    assert merged(base, now, wanted) == both


@pytest.mark.parametrize(
    ("now", "hunk", "reads"),
    [
        ("a dreary night.", {"words": "night", "text": "evening"}, "a dreary evening."),
        ("a dreary nights.", {"words": "night", "text": "evening"}, None),
        ("the rains fell", {"words": "rain", "kind": HunkKind.INSERT, "text": " and hail"}, None),
        (
            "the rain fell",
            {"words": "rain", "kind": HunkKind.INSERT, "text": " and hail"},
            "the rain and hail fell",
        ),
        (
            "the brain fell",
            {"words": "rain", "kind": HunkKind.REPLACE, "before": "the b"},
            "the bx fell",
        ),
        ("a night.", {"words": "night", "sure": False}, None),
        ("a night.", {"words": "night", "place": None}, None),
        ("a night.", {"words": "night", "kind": HunkKind.DELETE, "text": ""}, "a ."),
    ],
)
def test_a_hunk_lands_on_its_words_or_not_at_all(
    now: str, hunk: dict[str, Any], reads: str | None
) -> None:
    words = str(hunk.pop("words"))
    found = rebase(now, [standing(now, words, **hunk)])
    assert len(found.landings) == (reads is not None)
    assert applied(now, found) == (now if reads is None else reads)


def test_hunks_that_came_to_stand_on_the_same_words_both_clash() -> None:
    now = "one two three"
    found = rebase(now, [standing(now, "one two"), standing(now, "two three", number=2)])
    assert [clash.reason for clash in found.clashes] == [ConflictReason.OVERLAP] * 2
    assert found.landings == []


def test_override_wins_within_the_words_and_nowhere_else() -> None:
    now = "a dark and cold night."
    hunk = standing(now, "dark and cold night", base="dreary night", text="evening")
    assert rebase(now, [hunk]).landings == []
    assert applied(now, rebase(now, [hunk], override=True)) == "a evening."


@dataclass(slots=True)
class Word:
    """A word of the model: of the base or of somebody who wrote since."""

    text: str
    gone: bool = False
    """Whether somebody deleted it."""
    after: list[str] = field(default_factory=list[str])
    """What somebody wrote after it."""


def case(seed: int) -> tuple[list[Word], list[tuple[int, int, HunkKind, str]]]:
    """Return words, and hunks that stand on some of them: first, last, kind, text."""
    pick = Random(seed)
    words = [Word(pick.choice("abcdefgh") * pick.randint(1, 3)) for _ in range(pick.randint(8, 40))]
    hunks: list[tuple[int, int, HunkKind, str]] = []
    at = 0
    while len(hunks) < 8:
        first = at + pick.randint(0, 3)
        last = first + pick.randint(0, 3)
        if last >= len(words):
            break
        kind = pick.choice(KINDS)
        text = "" if kind is HunkKind.DELETE else " ".join(pick.choices(["X", "Y"], k=2))
        hunks.append((first, last, kind, f" {text}" if kind is HunkKind.INSERT else text))
        at = last + 2
    for word in words[1:-1]:
        chance = pick.random()
        if chance < 0.08:
            word.gone = True
        elif chance < 0.16:
            word.after.append("new")
    return words, hunks


def read(words: list[Word], first: int = 0, last: int | None = None) -> str:
    """Return the text of words as it is now, with a space before each but the first."""
    shown: list[str] = []
    for word in words[first : None if last is None else last + 1]:
        shown += [] if word.gone else [word.text]
        shown += word.after
    return " ".join(shown)


def stands(words: list[Word], hunks: list[tuple[int, int, HunkKind, str]]) -> list[Standing]:
    """Return hunks with their places in the text as it is now, as anchors would tell them."""
    found: list[Standing] = []
    for number, (first, last, kind, text) in enumerate(hunks, start=1):
        base = " ".join(word.text for word in words[first : last + 1])
        living = [at for at in range(first, last + 1) if not words[at].gone]
        place: tuple[int, int] | None = None
        if living:
            start = len(read(words, 0, living[0] - 1)) + 1 if living[0] else 0
            if living[0] and not read(words, 0, living[0] - 1):
                start = 0
            # What came after the last word is beside the anchor.
            kept, words[living[-1]].after = words[living[-1]].after, []
            place = start, start + len(read(words, living[0], living[-1]))
            words[living[-1]].after = kept
        found.append(Standing(number, kind, "after", base, text, place))
    return found


@pytest.mark.parametrize("seeds", [range(400), pytest.param(range(10_000), marks=pytest.mark.long)])
def test_nothing_that_others_wrote_is_lost(seeds: range) -> None:
    """What lands changes its own words only, and what both sides changed does not land."""
    landed = clashed = 0
    for seed in seeds:
        words, hunks = case(seed)
        now = read(words)
        given = stands(words, hunks)
        found = rebase(now, given)
        assert found == rebase(now, list(reversed(given))), seed
        text = applied(now, found)
        landed += len(found.landings)
        clashed += len(found.clashes)
        assert text.count("new") == now.count("new"), seed
        for one in found.landings:
            first, last, kind, _ = hunks[one.number - 1]
            touched = any(word.gone for word in words[first : last + 1])
            touched |= any(word.after for word in words[first:last])
            # A whole replacement changes all of its words, so others may have changed none.
            assert not (touched and kind is not HunkKind.INSERT), seed
        # Nobody looks elsewhere: outside of what landed the text is as it was.
        kept = "".join(
            now[start:end]
            for start, end in zip(
                [0, *(one.end for one in found.landings)],
                [*(one.start for one in found.landings), len(now)],
                strict=True,
            )
        )
        written = "".join(one.text for one in found.landings)
        assert len(text) == len(kept) + len(written), seed
    assert landed > clashed > len(seeds) / 10


@pytest.mark.parametrize("seeds", [range(300), pytest.param(range(5_000), marks=pytest.mark.long)])
def test_hunks_that_were_renewed_land_as_they_are(seeds: range) -> None:
    """Rebasing and then applying gives what applying at once gives, and so does rebasing twice."""
    for seed in seeds:
        words, hunks = case(seed)
        now = read(words)
        given = {one.number: one for one in stands(words, hunks)}
        found = rebase(now, list(given.values()))
        again = rebase(now, [_renewed(given[one.number], one) for one in found.landings])
        assert applied(now, again) == applied(now, found), seed
        assert again.clashes == []
        assert [(one.words, one.result) for one in again.landings] == [
            (one.words, one.result) for one in found.landings
        ]


def _renewed(hunk: Standing, one: Landing) -> Standing:
    kind, base, text = renewed(hunk.kind, one)
    return Standing(hunk.number, kind, hunk.side, base, text, one.place)


def test_a_clash_tells_what_stands_there() -> None:
    now = "a dark night."
    hunk = standing(now, "dark night", base="dreary night", text="stormy night")
    assert rebase(now, [hunk]).clashes == [Clash(1, ConflictReason.CHANGED, "dark night")]
