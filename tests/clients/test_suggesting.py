"""Suggesting mode in real editors that know nothing of it."""

import pytest

from tests.clients.scenarios import Scenario

LAST = (
    "Letter. It was a dreary and stormy night of November.\n"
    "The rain pattered against the panes.\nI slept. \nI woke up."
)


@pytest.mark.parametrize("writer", ["tiptap", "prosemirror", "slate", "codemirror"])
async def test_what_is_typed_in_a_branch_is_decided_one_by_one(play: Scenario, writer: str):
    """Each change is a suggestion; its author sees once what is accepted, and nothing rejected."""
    result = await play("suggesting", writer=writer)

    added, erased, split = result["said"]
    assert added[0] == "insert"
    assert added[2].strip() == "and stormy"
    assert erased[:2] in (["delete", "pattered "], ["delete", " pattered"])
    assert split[2] == split[1].replace(". ", ". \n") or split[2] == "\n"
    assert result["once"] == {"scene": LAST, "branch": LAST, "accepted": 2}
    assert result["withdrawn"] == [True]
    assert result["last"] == {"scene": LAST, "branch": LAST}
