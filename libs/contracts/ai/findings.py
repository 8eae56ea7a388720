"""The results of the offline engine: findings, and the analysis of a manuscript.

Everything here is verbatim: a place in a text is named by its version and its offsets, and quoted.
"""

from enum import StrEnum
from uuid import UUID

from pydantic import Field

from libs.contracts.positions import YjsRange
from libs.contracts.wire import Wire


class Quote(Wire):
    """Words of a scene and where they stand, or words of canon.

    `from` and `to` are UTF-16 offsets into `format=text` of the version `seq`; `block` holds the
    Yjs positions of the block that the words are in, which stay valid after later edits. Words of
    canon have a `fact_id` or an `entity_id`, and none of the others.
    """

    quote: str
    scene_id: UUID | None = None
    scene_title: str | None = None
    seq: int | None = None
    from_: int | None = Field(default=None, alias="from")
    to: int | None = None
    block: YjsRange | None = None
    fact_id: UUID | None = None
    entity_id: UUID | None = None


class Certainty(StrEnum):
    """`states`: both quotes are as the finding says. `asks`: only the author can know."""

    STATES = "states"
    ASKS = "asks"


class FindingKind(StrEnum):
    """The rule that made a finding.

    `acts_after_death`: a character speaks or acts in a scene after the one that tells of the death.
    `told_before_reveal`: words that reveal a fact stand in a scene before the one that reveals it.
    `contradicts_canon`: a trait in the text differs from the trait that canon states.
    `traits_differ`: two places of the text state different traits of the same character.
    `age_goes_back`: a character is younger in a later scene than in an earlier one.
    `spelling_differs`: two names differ by so little that one may be a slip.
    `viewpoint_differs`: a scene is not told from the point of view that is recorded for it.
    `tense_differs`: a scene is not told in the tense that is recorded for it.
    """

    ACTS_AFTER_DEATH = "acts_after_death"
    TOLD_BEFORE_REVEAL = "told_before_reveal"
    CONTRADICTS_CANON = "contradicts_canon"
    TRAITS_DIFFER = "traits_differ"
    AGE_GOES_BACK = "age_goes_back"
    SPELLING_DIFFERS = "spelling_differs"
    VIEWPOINT_DIFFERS = "viewpoint_differs"
    TENSE_DIFFERS = "tense_differs"


class Finding(Wire):
    """Two places that do not go together, or that may not: a sentence about them, and both quotes.

    `fact_id` names the fact of canon that the finding is about, if any.
    """

    kind: FindingKind
    certainty: Certainty
    message: str
    quotes: list[Quote]
    entity_ids: list[UUID] = Field(default_factory=list[UUID])
    fact_id: UUID | None = None


class NameKind(StrEnum):
    """The kind of thing that a name stands for, as far as rules can tell."""

    PERSON = "person"
    PLACE = "place"
    UNKNOWN = "unknown"


class FoundName(Wire):
    """A name that the text uses, with its first mention.

    `forms` are the ways in which it is written; `entity_id` is the entity of that name, if any.
    """

    name: str
    kind: NameKind
    mentions: int
    scenes: int
    forms: list[str]
    first: Quote
    entity_id: UUID | None = None


class Presence(Wire):
    """An entity that a scene names: how often, whether it speaks there, and what is recorded."""

    entity_id: UUID
    name: str
    mentions: int
    speaks: bool
    recorded: str | None


class SceneAnalysis(Wire):
    """A scene as rules read it; null where they are not sure.

    `key_passages` are sentences of the scene, word for word and in its order: no summary.
    """

    scene_id: UUID
    title: str | None
    seq: int
    words: int
    pov: str | None
    tense: str | None
    key_passages: list[Quote]
    entities: list[Presence]


class Enrichment(Wire):
    """What the offline engine found in a manuscript: its names and its scenes.

    `omitted_names` and `omitted_scenes` count those that the answer has no room for.
    """

    names: list[FoundName]
    scenes: list[SceneAnalysis]
    omitted_names: int = 0
    omitted_scenes: int = 0
