"""Documents that are brought to a newer state, against such as are read from it alone."""

import random

from libs.contracts.editors import SceneEditor
from services.collab import updates
from services.collab.review.advancing import advance
from services.collab.review.anchors.view import View, view_of
from services.collab.review.characters import CharacterDocument, Run
from tests.clients.anchors.recorded import sessions
from tests.collab.review.test_recorded_sessions import EDITORS


def read(state: bytes) -> CharacterDocument:
    document = CharacterDocument()
    document.apply(state)
    return document


def characters(document: CharacterDocument, root: str) -> list[Run]:
    """Return what is shown, one character a run: items are cut where edits were."""
    return [
        Run(run.client, run.clock + at, one)
        for run in document.runs(root)
        for at, one in enumerate(run.text)
    ]


def test_an_advanced_document_shows_the_same_characters() -> None:
    """Over the sessions of real editors, some edits at a time."""
    dice = random.Random(14)
    for session in list(sessions())[::10]:
        document, pieces, at = read(session.base), [session.base], 0
        while at < len(session.log):
            step = dice.choice((1, 20, 100, 300))
            pieces += session.log[at : at + step]
            at += step
            state, _ = updates.integrate(pieces)
            assert advance(document, state)
            fresh = read(state)
            assert characters(document, session.root) == characters(fresh, session.root)
            assert document.clocks() == fresh.clocks()


def test_a_document_is_not_taken_back() -> None:
    """It knows characters that the older state does not have."""
    [session, *_] = sessions()
    old = updates.integrate([session.base])[0]
    new = updates.integrate([session.base, *session.log])[0]
    document = read(new)
    before = characters(document, session.root)
    assert not advance(document, old)
    assert characters(document, session.root) == before


def test_views_of_versions_in_any_order() -> None:
    """What a process remembers of one version changes nothing of what another one reads."""
    dice = random.Random(3)
    for session in list(sessions())[::8]:
        editor = SceneEditor(name=EDITORS[session.editor])
        states = [
            updates.integrate([session.base, *session.log[:at]])[0]
            for at in range(0, len(session.log), 40)
        ]
        for _ in range(12):
            seq = dice.randrange(len(states))
            found = view_of(b"scene" + session.base[:8], seq, states[seq], editor)
            fresh = View(states[seq], editor)
            assert found.text == fresh.text
            size = fresh.size
            assert [found.on_characters(at, size) for at in range(0, size, 50)] == [
                fresh.on_characters(at, size) for at in range(0, size, 50)
            ]
