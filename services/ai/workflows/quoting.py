"""Turns what the offline engine found into quotes with their places."""

from typing import Any

from libs.contracts.ai.findings import Certainty, Finding, FindingKind, Quote
from libs.contracts.positions import CharacterId, RelativePosition, YjsRange
from services.ai.offline.continuity.story import CanonQuote, Clash, Evidence
from services.ai.offline.words import Span

QUOTE_CHARS_MAX = 400
"""Of a longer quote the beginning is shown, and its offsets are those of the shown words."""


def quote_of(span: Span) -> Quote:
    """Return the quote of some words of a scene."""
    if span.end - span.start > QUOTE_CHARS_MAX:
        span = Span(span.scene, span.block, span.start, span.start + QUOTE_CHARS_MAX)
    start, end = span.offsets
    place: dict[str, Any] = {"from": start, "to": end}
    ends: tuple[CharacterId, CharacterId] | None = span.scene.blocks[span.block].ends
    return Quote(
        quote=span.text,
        scene_id=span.scene.id,
        scene_title=span.scene.title,
        seq=span.scene.seq,
        block=ends and _range(*ends),
        **place,
    )


def finding_of(clash: Clash) -> Finding:
    """Return a finding as clients see it."""
    return Finding(
        kind=FindingKind(clash.kind),
        certainty=Certainty.STATES if clash.states else Certainty.ASKS,
        message=clash.message,
        quotes=[_quoted(each) for each in clash.quotes],
        entity_ids=list(clash.entities),
        fact_id=clash.fact,
    )


def _quoted(evidence: Evidence) -> Quote:
    if isinstance(evidence, CanonQuote):
        return Quote(quote=evidence.text, fact_id=evidence.fact, entity_id=evidence.entity)
    return quote_of(evidence)


def _range(first: CharacterId, last: CharacterId) -> YjsRange:
    return YjsRange(
        start=RelativePosition(item=first, assoc=0), end=RelativePosition(item=last, assoc=-1)
    )
