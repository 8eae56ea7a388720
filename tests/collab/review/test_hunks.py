"""Any hunks of a scene are made by one edit, which reads as it should and is taken back whole."""

from random import Random

import pytest

from libs.contracts.collab.content import ContentFormat
from libs.contracts.editors import BuiltIn, SceneEditor
from services.collab import formats, updates
from services.collab.review.anchors.view import SceneAt, Stood, View
from services.collab.review.hunks.planning import Applied, Hunk, HunkKind, Planned, apply, revert
from services.collab.review.structs import units, whole
from tests.clients.editors.documents import Author
from tests.clients.editors.test_puts import begun

CASES = 25
KINDS: tuple[HunkKind, ...] = ("replace", "insert", "delete")
TEXTS = ("new words", "née 🎭", "two\nlines", "x")


def some_hunks(view: View, pick: Random) -> list[Hunk]:
    """Return hunks on stretches that do not overlap, in the order of the text."""
    found: list[Hunk] = []
    start = 0
    while start < view.size - 1 and len(found) < 5:
        start += pick.randint(0, max(view.size // 4, 1))
        end = min(view.size, start + pick.randint(1, 12))
        if end <= start:
            break
        stood = view.on_characters(start, end)
        assert isinstance(stood, Stood)
        kind = pick.choice(KINDS)
        text = "" if kind == "delete" else pick.choice(TEXTS)
        side = pick.choice(("before", "after"))
        found.append(Hunk(stood.first, stood.last, whole(stood.quote), text, kind, side))
        start = end
    return found


def read_as(view: View, hunks: list[Hunk], planned: Planned) -> str:
    """Return the text of *view* with the hunks in it that fit."""
    stretches: list[tuple[int, int, int, str]] = []
    for index, (hunk, result) in enumerate(zip(hunks, planned.results, strict=True)):
        place = view.range_of(hunk.first, hunk.last)
        if isinstance(result, Applied) and place:
            start, end = place
            if hunk.kind == "insert":
                start = end = start if hunk.side == "before" else end
            stretches.append((start, end, index, units(hunk.text)))
    text = view.text
    for start, end, _, new in sorted(stretches, reverse=True):
        text = text[:start] + new + text[end:]
    return text


@pytest.mark.parametrize("editor", BuiltIn)
def test_hunks_are_made_and_taken_back(editor: BuiltIn) -> None:
    named, tried = SceneEditor(name=editor), 0
    for seed in range(CASES):
        pick = Random(f"{editor} {seed}")
        state = begun(Author(pick), named)
        view = View(state, named)
        hunks = some_hunks(view, pick)
        planned = apply(SceneAt(bytes(16), seed, state, named), hunks, 2**40 + 3 * seed)
        after = updates.merge([state, planned.plan.edit.update])
        read, wanted = View(after, named).text, read_as(view, hunks, planned)
        if "A map" in read and "A map" not in wanted:
            continue  # A picture whose caption is deleted reads as its alternative text.
        assert whole(read) == whole(wanted), (seed, hunks)
        made = [
            (h, r) for h, r in zip(hunks, planned.results, strict=True) if isinstance(r, Applied)
        ]
        back = revert(
            SceneAt(bytes(15) + b"1", seed, after, named),
            [hunk for hunk, _ in made],
            [Applied.from_json(result.as_json()) for _, result in made],
            2**40 + 3 * seed + 1,
        )
        assert all(each.reason for each in back.differing), (seed, hunks, back.differing)
        if back.differing:
            continue  # The editor cannot hold it; nothing was written.
        before = updates.merge([after, back.plan.edit.update])
        assert whole(View(before, named).text) == whole(view.text), (seed, hunks)
        tried += len(made)
    assert tried > CASES


def test_nothing_is_inserted_within_what_goes() -> None:
    state = formats.rewrite(updates.EMPTY, ContentFormat.TEXT, b"She was very angry.") or b""
    view = View(state, None)
    stoods = [view.on_characters(*place) for place in ((0, 6), (2, 4))]
    [whole_of, part] = [each for each in stoods if isinstance(each, Stood)]
    hunks = [
        Hunk(whole_of.first, whole_of.last, whole(whole_of.quote), "a\nb", "replace"),
        Hunk(part.first, part.last, whole(part.quote), "c", "insert"),
    ]
    planned = apply(SceneAt(bytes(15) + b"3", 1, state, None), hunks, 2**40)
    assert len(planned.differing) == 1
    after = View(updates.merge([state, planned.plan.edit.update]), None)
    assert after.text == "a\nb" + view.text[6:]


def test_of_two_that_overlap_the_later_differs() -> None:
    state = formats.rewrite(updates.EMPTY, ContentFormat.TEXT, b"She was very angry.") or b""
    view = View(state, None)
    stood = view.on_characters(0, 5)
    assert isinstance(stood, Stood)
    quote = whole(stood.quote)
    twice = [Hunk(stood.first, stood.last, quote, text, "replace") for text in ("one", "two")]
    planned = apply(SceneAt(bytes(15) + b"2", 1, state, None), twice, 2**40)
    assert [type(each) for each in planned.results] == [Applied, type(planned.differing[0])]
