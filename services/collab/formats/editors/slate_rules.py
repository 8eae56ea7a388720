"""slate-yjs with the rules of a team: what is not in them, its editor would delete."""

from collections.abc import Sequence
from typing import Any

from libs.contracts.editors import BlockRule, EditorDefinition, ElementRule
from services.collab.formats import names
from services.collab.formats.editors import blocks
from services.collab.formats.editors.seen import Seen
from services.collab.formats.layout import Layout
from services.collab.formats.tree import CannotHold, Element, Leaf, Node, joined


class SlateRules:
    """The lens of an editor that a team defined."""

    layout = Layout.SLATE

    def __init__(self, name: str, definition: EditorDefinition) -> None:
        """Take the rules of *definition*, whose kind is `slate`."""
        self.name = name
        self.root = definition.root
        self._elements = definition.elements
        self._rules = definition.blocks
        self._to_mark = {rule.mark: rule.type for rule in definition.mark_names}
        self._from_mark = {rule.type: rule.mark for rule in definition.mark_names}
        self._inline = {kind for kind, rule in definition.elements.items() if rule.inline}

    def view(self, native: Element) -> Element:
        """Return *native* under our names."""
        return self._show(native)

    def build(self, wanted: Element) -> list[Node]:
        """Return *wanted* as the rules have it.

        Raises:
            CannotHold: They have no place for a part of it.
        """
        seen = Seen(self._show)
        if wanted.origin is not None and seen.untouched(wanted):
            return wanted.origin.children
        return self._blocks(wanted.children, "content", seen, ())

    def check(self, children: list[Node]) -> None:
        """Return when *children* are as the rules want them.

        Raises:
            CannotHold: Something in them is not.
        """
        self._check(children, "content", ElementRule(holds="blocks"))

    def _show(self, element: Element) -> Element:
        kind, attrs = self._ours(element)
        children: list[Node] = [
            Leaf(one.text, {self._from_mark.get(key, key): one.marks[key] for key in one.marks})
            if isinstance(one, Leaf)
            else self._show(one)
            for one in element.children
        ]
        return Element(kind, attrs, children, None, element)

    def _ours(self, element: Element) -> tuple[str | None, dict[str, Any]]:
        for rule in self._rules:
            if rule.type == element.type and _has(element.attrs, rule.attrs):
                kept = {key: one for key, one in element.attrs.items() if key not in rule.attrs}
                return rule.block, kept | rule.when
        return element.type, element.attrs

    def _rule(self, block: Element) -> BlockRule | None:
        return next(
            (r for r in self._rules if r.block == block.type and _has(block.attrs, r.when)), None
        )

    def _theirs(self, block: Element, place: str) -> tuple[str, dict[str, Any]]:
        kind, attrs = block.type or "", block.attrs
        if rule := self._rule(block):
            kept = {key: one for key, one in attrs.items() if key not in rule.when}
            kind, attrs = rule.type, kept | rule.attrs
        if kind not in self._elements:
            raise blocks.cannot_hold(self.name, block.type, place)
        return kind, attrs

    def _blocks(
        self, children: Sequence[Node], place: str, seen: Seen, only: tuple[str, ...]
    ) -> list[Node]:
        alone = blocks.BLOCKS | (frozenset(self._elements) - self._inline)
        found: list[Node] = []
        for at, one in enumerate(blocks.as_blocks(children, alone)):
            here = f"{place}[{at}]"
            made = self._block(one, here, seen)
            if only and made.type not in only:
                raise blocks.cannot_hold(self.name, one.type, here)
            found.append(made)
        return found

    def _block(self, block: Element, place: str, seen: Seen) -> Element:
        if block.origin is not None and seen.untouched(block):
            return block.origin
        kind, attrs = self._theirs(block, place)
        rule = self._elements[kind]
        inner = f"{place}.children"
        if rule.inline:
            raise blocks.cannot_hold(self.name, block.type, place)
        if rule.holds == "blocks":
            held = self._blocks(block.children or [blocks.paragraph(())], inner, seen, rule.only)
            return Element(kind, attrs, held)
        children = block.children
        if only := blocks.only_paragraph(children):
            children = only.children
        if rule.holds == "nothing" and children:
            raise CannotHold(f"A {kind!r} of this editor holds nothing.", inner)
        return Element(kind, attrs, self._line(children, inner, rule.only))

    def _line(self, children: Sequence[Node], place: str, only: tuple[str, ...]) -> list[Node]:
        found: list[Node] = []
        for at, one in enumerate(children):
            here = f"{place}[{at}]"
            if isinstance(one, Leaf):
                marks = {self._to_mark.get(key, key): one.marks[key] for key in one.marks}
                found.append(Leaf(one.text, marks))
                continue
            if one.type == names.HARD_BREAK and self._rule(one) is None:
                found.append(Leaf("\n"))
                continue
            kind, attrs = self._theirs(one, here)
            if not self._elements[kind].inline or (only and kind not in only):
                raise blocks.cannot_hold(self.name, one.type, here)
            held = self._line(one.children, f"{here}.children", self._elements[kind].only)
            found.append(Element(kind, attrs, held))
        return joined(found)

    def _check(self, children: list[Node], place: str, within: ElementRule) -> None:
        for at, child in enumerate(children):
            here = f"{place}[{at}]"
            if within.holds == "nothing" or (isinstance(child, Leaf) and within.holds == "blocks"):
                raise CannotHold("The rules of this editor allow no text here.", here)
            if isinstance(child, Leaf):
                continue
            rule = self._elements.get(child.type or "")
            misplaced = rule is None or rule.inline != (within.holds == "text")
            if rule is None or misplaced or (within.only and child.type not in within.only):
                raise blocks.cannot_hold(self.name, child.type, here)
            self._check(child.children, f"{here}.children", rule)


def _has(attrs: dict[str, Any], wanted: dict[str, Any]) -> bool:
    return all(key in attrs and attrs[key] == value for key, value in wanted.items())
