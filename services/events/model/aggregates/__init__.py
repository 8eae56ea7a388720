"""Every kind of aggregate, described in one short file each.

A kind comes after the kinds that it belongs to or refers to.
"""

from collections.abc import Mapping

from services.events.model.aggregate import AggregateSpec
from services.events.model.aggregates.appearance import APPEARANCE
from services.events.model.aggregates.book import BOOK
from services.events.model.aggregates.canon_fact import CANON_FACT
from services.events.model.aggregates.chapter import CHAPTER
from services.events.model.aggregates.context_rule import CONTEXT_RULE
from services.events.model.aggregates.editor_definition import EDITOR_DEFINITION
from services.events.model.aggregates.entity import ENTITY
from services.events.model.aggregates.member import MEMBER
from services.events.model.aggregates.persona import PERSONA
from services.events.model.aggregates.project import PROJECT
from services.events.model.aggregates.prompt_preset import PROMPT_PRESET
from services.events.model.aggregates.relation import RELATION
from services.events.model.aggregates.scene import SCENE
from services.events.model.aggregates.style_guide import STYLE_GUIDE
from services.events.model.aggregates.tag import TAG
from services.events.model.aggregates.tagging import TAGGING
from services.events.model.aggregates.team_grant import TEAM_GRANT

AGGREGATES: Mapping[str, AggregateSpec] = {
    each.kind: each
    for each in (
        PROJECT,
        MEMBER,
        TEAM_GRANT,
        EDITOR_DEFINITION,
        BOOK,
        CHAPTER,
        SCENE,
        ENTITY,
        RELATION,
        TAG,
        TAGGING,
        APPEARANCE,
        CANON_FACT,
        STYLE_GUIDE,
        CONTEXT_RULE,
        PERSONA,
        PROMPT_PRESET,
    )
}

__all__ = [
    "AGGREGATES",
    "APPEARANCE",
    "BOOK",
    "CANON_FACT",
    "CHAPTER",
    "CONTEXT_RULE",
    "EDITOR_DEFINITION",
    "ENTITY",
    "MEMBER",
    "PERSONA",
    "PROJECT",
    "PROMPT_PRESET",
    "RELATION",
    "SCENE",
    "STYLE_GUIDE",
    "TAG",
    "TAGGING",
    "TEAM_GRANT",
]
