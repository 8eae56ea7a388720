"""Every kind of aggregate: one short file each, and its name here."""

from collections.abc import Mapping

from services.events.model.aggregate import Aggregate
from services.events.model.aggregates.book import BOOK
from services.events.model.aggregates.chapter import CHAPTER
from services.events.model.aggregates.member import MEMBER
from services.events.model.aggregates.project import PROJECT
from services.events.model.aggregates.scene import SCENE

AGGREGATES: Mapping[str, Aggregate] = {
    each.kind: each for each in (PROJECT, MEMBER, BOOK, CHAPTER, SCENE)
}

__all__ = ["AGGREGATES", "BOOK", "CHAPTER", "MEMBER", "PROJECT", "SCENE"]
