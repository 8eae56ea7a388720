"""Suggesting mode in real editors that know nothing of it."""

import pytest

from tests.clients.conftest import Friends
from tests.clients.scenarios import Scenario

LAST = (
    "Letter. It was a dreary and stormy night of November.\n"
    "The rain pattered against the panes.\nI slept. \nI woke up."
)


@pytest.mark.parametrize(
    "writer",
    [
        "tiptap",
        "slate",
        pytest.param("prosemirror", marks=pytest.mark.long),
        pytest.param("codemirror", marks=pytest.mark.long),
    ],
)
async def test_what_is_typed_in_a_branch_is_decided_one_by_one(
    play: Scenario, friends: Friends, writer: str
):
    """Each change is a suggestion; its author sees once what is accepted, and nothing rejected."""
    editor = "plain" if writer == "codemirror" else writer
    project = await friends.ada.project(editor=editor)
    await friends.ada.let_in(project, friends.ben, "WRITER")
    scene = await friends.ada.scene(project)
    result = await play("suggesting", scene=scene, writer=writer)

    added, erased, split = result["said"]
    assert added[0] == "insert"
    assert added[2].strip() == "and stormy"
    assert erased[:2] in (["delete", "pattered "], ["delete", " pattered"])
    assert split[2] == split[1].replace(". ", ". \n") or split[2] == "\n"
    assert result["once"] == {"scene": LAST, "branch": LAST, "accepted": 2}
    assert result["styled"] in (None, {"kind": "attributes", "base": "panes", "block": {}})
    assert (result["styled"] is None) == (writer == "codemirror")
    assert result["withdrawn"] == [True]
    assert result["last"] == {"scene": LAST, "branch": LAST}
