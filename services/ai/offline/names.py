"""Finds the names of persons and places in a manuscript, by rules.

A word is a candidate when it is capitalised inside sentences, and mostly so. What stands beside its
mentions then votes: titles, verbs of speech and relatives for a person, prepositions and words such
as *Street* for a place. Names that share their last part are one person.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

from services.ai.offline import vocabulary as v
from services.ai.offline.words import WORD, SceneText, Span

MENTIONS_MIN = 2
"""A name that is mentioned less often is listed only if a title or a list of names knows it."""
CAPITAL_SHARE_MIN = 0.7
"""Share of capitals among the mentions of a word inside sentences, below which it is no name."""
DECIDED_BY = 1.25
"""How many times the votes for one kind must outweigh those for the other."""

PERSON, PLACE, UNKNOWN = "person", "place", "unknown"

_BEGINS = re.compile(r"(?:^|[.!?…:;—–]|[“\"‘(\[]|--)\s*[\"'“‘(\[]*$")
_GAP = re.compile(r"\s+|\.\s+")
_POSSESSIVE = re.compile(r"['’]s?$")


@dataclass(slots=True)
class Mention:
    """A mention of a name: its words without a title, and the title."""

    span: Span
    words: tuple[str, ...]
    title: str | None
    is_inside: bool
    """Whether it stands inside a sentence, where only names are capitalised."""


@dataclass(slots=True)
class Name:
    """A name with all its mentions; `kind` is `person`, `place` or `unknown`."""

    name: str
    kind: str
    mentions: list[Span] = field(default_factory=list[Span])
    forms: Counter[str] = field(default_factory=Counter[str])

    @property
    def scenes(self) -> int:
        """How many scenes mention it."""
        return len({span.scene.id for span in self.mentions})


def find_names(scenes: Sequence[SceneText]) -> list[Name]:
    """Return the names of a manuscript, those with the most mentions first."""
    mentions = _candidates(scenes)
    groups = _grouped(mentions)
    found: list[Name] = []
    for key, group in groups.items():
        kind = _kind_of(key, group)
        listed = kind != UNKNOWN and (
            any(m.title for m in group) or key in _first_names() or key in _place_names()
        )
        if len(group) < MENTIONS_MIN and not listed:
            continue
        forms = Counter(" ".join(m.words) for m in group)
        shown = _shown(forms, group, kind)
        found.append(
            Name(shown, kind, [m.span for m in group], Counter(m.span.text for m in group))
        )
    return sorted(found, key=lambda name: (-len(name.mentions), name.name))


def _shown(forms: Mapping[str, int], group: Sequence[Mention], kind: str) -> str:
    """Return the form to show: the longest one of a person, with a title where there is no more."""
    usual = [form for form, count in forms.items() if count * 10 >= len(group)]
    name = max(usual or forms, key=lambda form: (len(form.split()), forms[form]))
    titles = Counter(m.title for m in group if m.title)
    if kind == PERSON and " " not in name and titles:
        title, count = titles.most_common(1)[0]
        if count * 3 >= len(group):
            return f"{title} {name}"
    return name


# Candidates -----------------------------------------------------------------------------------


def _candidates(scenes: Sequence[SceneText]) -> list[Mention]:
    """Return all mentions of words that are names."""
    runs = [run for scene in scenes for run in _capitalised(scene)]
    inside, lower, ending = Counter[str](), Counter[str](), Counter[str]()
    for scene in scenes:
        for block in scene.blocks:
            lower.update(word for word in WORD.findall(block.text) if word[0].islower())
    for run in runs:
        counted = run.words if run.is_inside else run.words[1:]
        inside.update(counted)
        ending[run.words[-1]] += 1
    found: list[Mention] = []
    for run in runs:
        known = _trimmed(run, inside, lower)
        if known is not None:
            found.append(known)
    return found


def _capitalised(scene: SceneText) -> Iterator[Mention]:
    """Yield each run of capitalised words, split where no name goes on."""
    for number, block in enumerate(scene.blocks):
        text = block.text
        run: list[re.Match[str]] = []
        for found in WORD.finditer(text):
            gap = text[run[-1].end() : found.start()] if run else ""
            after_title = bool(run) and run[-1][0].lower().rstrip(".") in v.TITLES
            joins = gap.isspace() or (after_title and gap.strip() == ".")
            word = found[0]
            if word[0].isupper() and (not run or joins):
                run.append(found)
                # “Clerval’s Henry” are two names.
                if _POSSESSIVE.search(word):
                    yield from _mention(scene, number, text, run)
                    run = []
                continue
            if run:
                yield from _mention(scene, number, text, run)
            run = [found] if word[0].isupper() else []
        if run:
            yield from _mention(scene, number, text, run)


def _mention(
    scene: SceneText, number: int, text: str, run: Sequence[re.Match[str]]
) -> Iterator[Mention]:
    title: str | None = None
    rest = list(run)
    begins = bool(_BEGINS.search(text[: run[0].start()][-8:])) or run[0].start() == 0
    while len(rest) > 1 and rest[0][0].lower() in v.LEADING - v.TITLES:
        rest, begins = rest[1:], False
    while len(rest) > 1 and rest[0][0].lower() in v.TITLES:
        title = rest[0][0] if title is None else f"{title} {rest[0][0]}"
        rest, begins = rest[1:], False
    words = tuple(_POSSESSIVE.sub("", each[0]) for each in rest)
    if not rest or not words[-1]:
        return
    end = rest[-1].start() + len(words[-1])
    yield Mention(Span(scene, number, rest[0].start(), end), words, title, not begins)


def _trimmed(run: Mention, inside: Counter[str], lower: Counter[str]) -> Mention | None:
    """Return a mention without words that are none of a name; None when nothing is left."""
    words, span = list(run.words), run.span
    text = span.scene.blocks[span.block].text

    def is_name(word: str, *, first: bool) -> bool:
        low = word.lower()
        if low in v.NO_NAMES or len(word) < 2 or (word.isupper() and len(word) > 3):
            return False
        capitals, plain = inside[word], lower[low]
        if capitals + plain == 0:
            return first and (word in _first_names() or word in _place_names())
        if first and not run.is_inside and not run.title and capitals == 0:
            return False
        return capitals / (capitals + plain) >= CAPITAL_SHARE_MIN

    start, end = span.start, span.end
    while words and not is_name(words[0], first=True):
        if run.title and len(words) == 1 and words[0].lower() not in v.NO_NAMES:
            break
        begun = text.find(words.pop(0), start)
        following = WORD.search(text, begun + 1)
        while following and following.start() <= begun:
            following = WORD.search(text, following.end())
        if not words:
            return None
        start = text.find(words[0], start + 1)
    while len(words) > 1 and not is_name(words[-1], first=False):
        words.pop()
        end = text.find(words[-1], start) + len(words[-1])
    return Mention(Span(span.scene, span.block, start, end), tuple(words), run.title, run.is_inside)


# Groups ---------------------------------------------------------------------------------------


def _grouped(mentions: Sequence[Mention]) -> dict[str, list[Mention]]:
    """Return mentions by name: those that share a part that names one thing are together."""
    alone = Counter(m.words[0] for m in mentions if len(m.words) == 1)
    families: defaultdict[str, set[str]] = defaultdict(set)
    for m in mentions:
        if len(m.words) > 1 and not _is_place_like(m.words):
            families[m.words[0]].add(m.words[-1])
    firsts = {first for first, lasts in families.items() if len(lasts) == 1}
    owners: defaultdict[str, set[str]] = defaultdict(set)
    for first, lasts in families.items():
        for last in lasts:
            owners[last].add(first)
    groups: defaultdict[str, list[Mention]] = defaultdict(list)
    for m in mentions:
        groups[_key_of(m, alone, families, firsts, owners)].append(m)
    return groups


def _key_of(
    m: Mention,
    alone: Mapping[str, int],
    families: Mapping[str, set[str]],
    firsts: Iterable[str],
    owners: Mapping[str, set[str]],
) -> str:
    """Return the name of the group of a mention.

    The Frankensteins have several first names, so each first name is a person of its own and the
    last name is another; Jekyll has one first name, which stands for him, too.
    """
    words = m.words
    if _is_place_like(words):
        return " ".join(words)
    first, last = words[0], words[-1]
    if len(words) > 1:
        if len(owners[last]) == 1:
            return last if alone.get(last) else " ".join(words)
        return first if first in firsts else f"{first} {last}"
    word = first
    if word in firsts:
        last = next(iter(families[word]))
        if len(owners[last]) == 1 and alone.get(last):
            return last
        if len(owners[last]) == 1:
            return f"{word} {last}"
    return word


def _is_place_like(words: Sequence[str]) -> bool:
    return len(words) > 1 and (
        words[-1].lower() in v.PLACE_NOUNS or words[0].lower() in v.PLACE_PREFIXES
    )


# Votes ----------------------------------------------------------------------------------------


def _kind_of(key: str, group: Sequence[Mention]) -> str:
    if _is_place_like(key.split()):
        return PLACE
    person = place = 0.0
    for m in group:
        for_person, for_place = _votes(m)
        person += for_person
        place += for_place
    words = set(key.split())
    if words & _place_names():
        place += 3 + 0.5 * len(group)
    elif words & _first_names():
        person += 3 + 0.5 * len(group)
    if person > place * DECIDED_BY and person >= 1:
        return PERSON
    if place > person * DECIDED_BY and place >= 1:
        return PLACE
    return UNKNOWN


def _votes(m: Mention) -> tuple[float, float]:
    """Return what the words beside a mention say for a person, and for a place."""
    block = m.span.scene.blocks[m.span.block].text
    head = block[max(0, m.span.start - 60) : m.span.start]
    before = [each.lower() for each in WORD.findall(head)]
    gap_before = head[len(head.rstrip(" \u00a0“‘\"',.;:!?—-…()")) :]
    after_text = block[m.span.end : m.span.end + 60]
    after = [each.lower() for each in WORD.findall(after_text)]
    person = place = 0.0
    if m.title:
        person += 4
    last = before[-1] if before and gap_before.strip() in ("", "“", "‘", ",") else ""
    following = after[0] if after and re.match(r"\s", after_text) else ""
    owns = bool(re.match(r"['’]s?\b", after_text))
    if owns:
        owned = after[1] if len(after) > 1 else ""
        person += 1.0
        return person, 0.5 if owned in v.PLACE_NOUNS else 0.0
    if last in v.PLACE_PREPOSITIONS:
        place += v.PLACE_PREPOSITIONS[last]
    if last in v.PERSON_BEFORE or (last in v.SPEECH_VERBS):
        person += 2
    if last in v.PERSON_PREPOSITIONS:
        person += v.PERSON_PREPOSITIONS[last]
    if last == "the":
        place += 0.6
    if last == "of" and len(before) > 1 and before[-2] in v.PLACE_OF:
        place += 3
    if following in v.SPEECH_VERBS or following in v.PERSON_VERBS:
        person += 2
    if following in ("who", "whom", "whose", "himself", "herself"):
        person += 2
    if re.match(r",\s+(?:who|whom|whose)\b", after_text):
        person += 2
    if following in ("was", "had", "is", "has", "did", "would", "could", "looked"):
        person += 0.5
    if re.search(r"[,“‘]\s*$", gap_before) and re.match(r"[,!?]", after_text):
        person += 0.7
    return person, place


@cache
def _first_names() -> frozenset[str]:
    return _list("first_names.txt")


@cache
def _place_names() -> frozenset[str]:
    return _list("place_names.txt")


def _list(name: str) -> frozenset[str]:
    text = resources.files("services.ai.offline").joinpath(name).read_text(encoding="utf-8")
    return frozenset(text.split())
