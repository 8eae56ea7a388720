"""The terms of a new name: which words of the old name and its aliases become which. No I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.collab.review.refactors.finder import Doubt, Term, find, replaced

_PARTICLES = frozenset(
    {"von", "van", "de", "der", "den", "la", "le", "du", "of", "the", "da", "di", "del", "y", "and"}
)
_EPITHETS = frozenset({"the", "a", "an", "der", "die", "das", "le", "la", "el", "los", "il"})


@dataclass(frozen=True, slots=True)
class Renaming:
    """The terms of a new name, and the aliases that go with it."""

    terms: list[Term]
    aliases: list[str]


def renaming(
    name: str, aliases: Sequence[str], to: str, explicit: Mapping[str, str] | None = None
) -> Renaming:
    """Return what a new name means for the texts and for the aliases.

    An alias that has a changed part of the name in it changes with it; other aliases stay, and
    where they stand in a text is shown as doubtful. *explicit* says for words what they become.
    """
    explicit = dict(explicit or {})
    terms = {words: Term(words, new) for words, new in explicit.items()}
    terms.setdefault(name, Term(name, to))
    parts = _changed_parts(name.split(), to.split())
    kept = set(name.split()) & set(to.split())
    by_part = [Term(name, to), *(Term(old, new) for old, new in parts.items())]
    changed: list[str] = []
    for alias in aliases:
        new = explicit.get(alias) or _sure(alias, by_part)
        if new not in changed and new != to:
            changed.append(new)
        if alias in terms:
            continue
        if new != alias:
            terms[alias] = Term(alias, new)
        elif kept.isdisjoint(alias.split()) and not _is_epithet(alias):
            terms[alias] = Term(alias, to.split(maxsplit=1)[0], Doubt.NICKNAME)
    for old, new in parts.items():
        terms.setdefault(old, Term(old, new, Doubt.PART_OF_NAME))
    return Renaming([term for term in terms.values() if term.words != term.to], changed)


def _changed_parts(old: Sequence[str], new: Sequence[str]) -> dict[str, str]:
    """Return the words of a name that become other ones."""
    if len(old) < 2:
        return {}
    if len(old) == len(new):
        pairs = list(zip(old, new, strict=True))
    else:
        pairs = [(old[0], new[0])]
        if len(new) > 1:
            pairs.append((old[-1], new[-1]))
    return {
        before: after
        for before, after in pairs
        if before != after and before.casefold() not in _PARTICLES and len(before) > 1
    }


def _sure(words: str, terms: Sequence[Term]) -> str:
    """Return *words* with the terms in it replaced that stand there as whole words."""
    found = [one for one in find(words, terms) if one.doubt in (None, Doubt.COMMON_WORD)]
    return replaced(words, found)


def _is_epithet(alias: str) -> bool:
    return alias.split(maxsplit=1)[0].casefold() in _EPITHETS
