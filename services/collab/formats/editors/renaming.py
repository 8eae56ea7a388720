"""Our names of blocks, marks and attributes, and those of an editor, by its definition's rules.

What the rules do not name is called the same on both sides, so nothing unknown is ever lost.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from libs.contracts.editors import EditorDefinition
from services.collab.formats.tree import Leaf

OUR_MARKS = frozenset({"bold", "italic", "strikethrough", "underline", "code", "link"})
"""Marks that the formats make. An editor that does not know one gets the text without it."""


class Renaming:
    """Translates the headings of elements, and marks, by the rules of a definition."""

    def __init__(
        self, definition: EditorDefinition, attributes: Mapping[str, Mapping[str, str]]
    ) -> None:
        """Prepare the rules of *definition*; *attributes* are called otherwise, by node type."""
        self._to: defaultdict[str, list[tuple[dict[str, Any], str, dict[str, Any]]]]
        self._to = defaultdict(list)
        self._from: defaultdict[str, list[tuple[dict[str, Any], str, dict[str, Any]]]]
        self._from = defaultdict(list)
        for rule in definition.blocks:
            self._to[rule.block].append((rule.when, rule.type, rule.attrs))
            self._from[rule.type].append((rule.attrs, rule.block, rule.when))
        self._mark_to = {rule.mark: rule.type for rule in definition.mark_names}
        self._mark_from = {rule.type: rule.mark for rule in definition.mark_names}
        self._attributes_to = attributes
        self._attributes_from = {
            kind: {theirs: ours for ours, theirs in one.items()} for kind, one in attributes.items()
        }
        self._known_marks = frozenset(definition.marks)

    def ours(self, kind: str | None, attrs: dict[str, Any]) -> tuple[str | None, dict[str, Any]]:
        """Return our heading of what is called so there."""
        attrs = _renamed(attrs, self._attributes_from.get(kind or ""))
        return _ruled(self._from.get(kind or ""), kind, attrs)

    def theirs(self, kind: str | None, attrs: dict[str, Any]) -> tuple[str | None, dict[str, Any]]:
        """Return their heading of what we call so."""
        kind, attrs = _ruled(self._to.get(kind or ""), kind, attrs)
        return kind, _renamed(attrs, self._attributes_to.get(kind or ""))

    def our_leaf(self, leaf: Leaf) -> Leaf:
        """Return *leaf* with our marks; itself when they are called the same."""
        if not leaf.marks:
            return leaf
        return Leaf(
            leaf.text,
            {
                # y-prosemirror keeps a mark's attributes as its value, `{}` if there are none.
                self._mark_from.get(name, name): True if value == {} else value
                for name, value in leaf.marks.items()
            },
        )

    def their_leaf(
        self,
        leaf: Leaf,
        had: Mapping[str, tuple[str, Any]],
        seen: Callable[[], frozenset[str]] = frozenset,
    ) -> Leaf:
        """Return *leaf* with their marks.

        Those of *had*, by our mark, are as they were; those *seen* in the document are possible.
        """
        if not leaf.marks:
            return leaf
        found: dict[str, Any] = {}
        for ours, value in leaf.marks.items():
            known = had.get(f"{ours} {json.dumps(value, sort_keys=True)}") if had else None
            if known:
                found[known[0]] = known[1]
                continue
            theirs = self._mark_to.get(ours, ours)
            if ours in OUR_MARKS and theirs not in self._known_marks and theirs not in seen():
                # The editor would delete text that is marked so.
                continue
            if value is False and theirs in self._known_marks:
                # There a mark is there or not; Slate says that it is not with false.
                continue
            if theirs == "link" and isinstance(value, str):
                value = {"href": value}  # noqa: PLW2901
            found[theirs] = {} if value is True else value
        return Leaf(leaf.text, found)

    def had(self, leaves: list[Leaf]) -> dict[str, tuple[str, Any]]:
        """Return marks of *leaves* that would not come back as they were, by what we call them."""
        found: dict[str, tuple[str, Any]] = {}
        for leaf in leaves:
            if not leaf.marks:
                continue
            shown = self.our_leaf(leaf)
            if self.their_leaf(shown, {}) == leaf:
                continue
            for name, value in leaf.marks.items():
                ours = self._mark_from.get(name, name)
                seen = json.dumps(True if value == {} else value, sort_keys=True)
                found[f"{ours} {seen}"] = name, value
        return found


def _ruled(
    rules: list[tuple[dict[str, Any], str, dict[str, Any]]] | None,
    kind: str | None,
    attrs: dict[str, Any],
) -> tuple[str | None, dict[str, Any]]:
    for when, becomes, having in rules or ():
        if _agree(when, attrs):
            rest = {key: value for key, value in attrs.items() if key not in when}
            return becomes, having | rest
    return kind, attrs


def _agree(when: dict[str, Any], attrs: dict[str, Any]) -> bool:
    """Whether *attrs* has all of *when*; true is not 1."""
    return all(
        key in attrs
        and attrs[key] == value
        and isinstance(attrs[key], bool) == isinstance(value, bool)
        for key, value in when.items()
    )


def _renamed(attrs: dict[str, Any], names: Mapping[str, str] | None) -> dict[str, Any]:
    if not names or names.keys().isdisjoint(attrs):
        return attrs
    return {names.get(key, key): value for key, value in attrs.items()}
