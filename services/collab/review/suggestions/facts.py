"""The facts that are announced of a suggestion."""

import asyncpg

from libs.bus import Fact
from libs.contracts.actor import Actor
from libs.contracts.collab.facts import SuggestionFact
from services.collab.review.facts import fact


def suggestion_fact(action: str, row: asyncpg.Record | None, actor: Actor) -> Fact:
    """Return the fact that *actor* did *action* to the suggestion of a row."""
    assert row is not None
    data = SuggestionFact(
        author=row["created_by"],
        **{name: row[name] for name in SuggestionFact.model_fields if name in row},
    )
    return fact(
        f"suggestion.{action}",
        row["id"],
        project=actor.scope(),
        by=actor.user_id,
        version=row["version"],
        data=data,
    )
