"""Makes wanted children acceptable to an editor without losing a character of them.

A search for the cheapest way through the content expression: a child stands as it is, what is
missing is filled in, what may not stand here gets the wrappers that lead there, a node is split
where its content may not go on, and what it cannot hold at all is put beside it, for its parent to
hold. Only what reaches the document itself and fits nowhere is refused.
"""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count, groupby

from services.collab.formats.editors.expressions import START
from services.collab.formats.editors.schema import TEXT, NodeType, Schema, text_beside_blocks
from services.collab.formats.editors.tables import TableNames, square
from services.collab.formats.tree import Element, Leaf, Node, joined

WRAPPERS_MAX = 4
"""Elements put around what may not stand where it does."""

_WRAP, _SPLIT, _OUT = 4, 50, 60
"""The costs of wrapping, splitting and putting beside; a node filled in costs about 1."""

LINE_BREAKS = frozenset({"hardBreak", "hard_break", "hard-break"})
"""They are a line feed where only text may stand."""

_TABLES = TableNames()

type Pairs = frozenset[tuple[str | None, str | None]]
"""Types of parents and of children that this document shows to be possible."""


class Misfit(Exception):
    """Nothing that the document may hold can hold this."""

    def __init__(self, node: Node | None) -> None:
        """Keep what fits nowhere; None when nothing can be filled in."""
        self.node = node
        super().__init__()


@dataclass(slots=True)
class _Unit:
    """The node at one position: a child, or the wrapper that was made for some children."""

    node: Node
    in_line: bool
    cost: int = 0


@dataclass(slots=True)
class _Step:
    """One step of the search: what it adds, and the step before."""

    before: "_Step | None"
    kind: str = ""
    """`take` a unit, `fill` a position, `split` the node here, put a unit `out` of it."""
    node: Node | None = None


class Fitter:
    """Fits children into the nodes of *schema*; *pairs* are possible whatever that says."""

    def __init__(
        self,
        schema: Schema,
        tables: TableNames = _TABLES,
        pairs: Callable[[], Pairs] = frozenset,
        holders: Callable[[], frozenset[str | None]] = frozenset,
    ) -> None:
        """Remember for this document what was found out; *pairs* is asked when it matters."""
        self._schema = schema
        self._tables = tables
        self._find_pairs = pairs
        self._find_holders = holders
        self._chains: dict[tuple[str, str | None, bool], tuple[str, ...] | None] = {}
        self._fillers: dict[str, tuple[int, list[Node]] | None] = {}

    @cached_property
    def _pairs(self) -> Pairs:
        return self._find_pairs()

    @cached_property
    def _holders(self) -> frozenset[str | None]:
        """Unknown types that hold blocks, and no text, in this document."""
        return self._find_holders()

    def top(self, children: Sequence[Node]) -> list[Node]:
        """Return *children* as the document may hold them; its own node is neither split nor left.

        Raises:
            Misfit: It cannot.
        """
        if not children:
            return []
        (found,) = self._fitted(Element(self._schema.top.name, {}, list(children)), top=True)
        assert isinstance(found, Element)
        return found.children

    def fit(self, element: Element, marks: frozenset[str] = frozenset()) -> list[Node]:
        """Return *element* as its parent may be given it; several nodes when it had to be split.

        Its text may carry *marks* whatever the schema says.
        """
        return self._fitted(element, marks, top=False)

    def same_shape(self, element: Element, marks: frozenset[str]) -> list[Node]:
        """Return *element*, whose children are of the types they were: only text may be wrong."""
        known = self._schema.type_of(element)
        if known is not None and TEXT in known.alphabet:
            element.children = self._sound(known, element.children, marks)
        return self._squared([element])

    def _squared(self, nodes: list[Node]) -> list[Node]:
        for node in nodes:
            if isinstance(node, Element) and node.type == self._tables.table:
                square(node, self._tables, self.fit)
        return nodes

    def _fitted(
        self, element: Element, marks: frozenset[str] = frozenset(), *, top: bool
    ) -> list[Node]:
        known = self._schema.type_of(element)
        if known is None:
            self._stranger(element)
            return [element]
        if TEXT in known.alphabet:
            element.children = self._sound(known, element.children, marks)
        if self._schema.accepts(known, element.children):
            return self._squared([element])
        steps = self._search(known, self._units(known, element.children), top=top)
        if steps is None:
            if top:
                raise Misfit(self._stuck(known, element.children))
            return [*element.children] or [element]
        return self._squared(_built(element, steps))

    def _stranger(self, element: Element) -> None:
        """Whatever it may hold: text beside blocks gets a paragraph of its own."""
        paragraph, children = self._schema.paragraph, element.children
        if paragraph is None or not (children or element.type in self._holders):
            return
        if not children:
            element.children = [Element(paragraph.name)]
        elif text_beside_blocks(self._schema, children) or (
            any(isinstance(child, Leaf) for child in children) and element.type in self._holders
        ):
            found: list[Node] = []
            for in_line, group in groupby(
                element.children, lambda one: self._schema.in_line(one, element.children)
            ):
                run = list(group)
                found += [Element(paragraph.name, {}, run)] if in_line else run
            element.children = found

    def _stuck(self, parent: NodeType, children: Sequence[Node]) -> Node | None:
        for child in children:
            in_line = self._schema.in_line(child, children)
            kind = TEXT if isinstance(child, Leaf) else child.type
            if not self._stands(parent, child, in_line=in_line) and not self._chain(
                parent, kind, in_line=in_line
            ):
                return child
        return next(iter(children), None)

    def _sound(self, parent: NodeType, children: list[Node], marks: frozenset[str]) -> list[Node]:
        """Leave out marks that text may not carry here; write line breaks as text if need be."""
        if parent.spec.code:
            children = [
                Leaf("\n")
                if isinstance(child, Element)
                and child.type in LINE_BREAKS
                and child.type not in parent.alphabet
                else child
                for child in children
            ]
        found = [
            self._unmarked(parent, child, marks)
            if isinstance(child, Leaf) and child.marks
            else child
            for child in children
        ]
        return joined(found)

    def _unmarked(self, parent: NodeType, leaf: Leaf, marks: frozenset[str]) -> Leaf:
        kept = {
            name: value
            for name, value in leaf.marks.items()
            if name in marks or self._schema.keeps_mark(parent, name, value)
        }
        return leaf if len(kept) == len(leaf.marks) else Leaf(leaf.text, kept)

    def _units(self, parent: NodeType, children: Sequence[Node]) -> list[_Unit]:
        """Return what stands in *parent*, wrapped where it may not stand by itself."""
        schema = self._schema
        found: list[_Unit] = []
        lines = [schema.in_line(child, children) for child in children]

        def chain_at(at: int) -> tuple[str, ...] | None:
            child, in_line = children[at], lines[at]
            if self._stands(parent, child, in_line=in_line):
                return ()
            kind = TEXT if isinstance(child, Leaf) else child.type
            return self._chain(parent, kind, in_line=in_line)

        for (chain, in_line), group in groupby(
            range(len(children)), lambda at: (chain_at(at), lines[at])
        ):
            run = [children[at] for at in group]
            if not chain:
                found += [_Unit(node, in_line) for node in run]
                continue
            for nodes in (
                [run]
                if self._together(parent, chain, run[0], in_line=in_line)
                else ([node] for node in run)
            ):
                found += self._wrapped(chain, nodes, in_line=in_line)
        return found

    def _together(
        self, parent: NodeType, chain: tuple[str, ...], node: Node, *, in_line: bool
    ) -> bool:
        """Whether neighbours such as *node* share one wrapper, as the items of a list do."""
        if in_line:
            return True
        outer = [at for at, names in enumerate(parent.allowed) if chain[0] in names]
        if not any(at in parent.content.follow[at] for at in outer):
            return True
        # What is named for this wrapper alone, such as an item, shares it; any block is by itself.
        known = self._schema.type_of(node)
        return known is not None and not known.groups

    def _wrapped(self, chain: tuple[str, ...], nodes: list[Node], *, in_line: bool) -> list[_Unit]:
        made: list[Node] = nodes
        for name in reversed(chain):
            made = self.fit(Element(name, {}, made))
            if len(made) != 1:
                return [_Unit(node, in_line) for node in nodes]
        return [_Unit(made[0], in_line=False, cost=_WRAP + len(chain))]

    def _stands(self, parent: NodeType, child: Node, *, in_line: bool) -> bool:
        if not isinstance(child, Leaf) and (parent.name, child.type) in self._pairs:
            return True
        return any(
            self._schema.fits_at(parent, at, child, in_line=in_line)
            for at in range(len(parent.allowed))
        )

    def _chain(
        self, parent: NodeType, kind: str | None, *, in_line: bool
    ) -> tuple[str, ...] | None:
        """Return the types of the fewest wrappers in which *kind* may stand in *parent*."""
        key = parent.name, kind, in_line
        if key not in self._chains:
            node = Leaf("x") if kind == TEXT else Element(kind)
            self._chains[key] = self._shortest(parent, node, in_line=in_line)
        return self._chains[key]

    def _shortest(self, parent: NodeType, node: Node, *, in_line: bool) -> tuple[str, ...] | None:
        rows: list[tuple[NodeType, tuple[str, ...]]] = [(parent, ())]
        seen = {parent.name}
        for _ in range(WRAPPERS_MAX):
            following: list[tuple[NodeType, tuple[str, ...]]] = []
            for outer, chain in rows:
                for inner in self._schema.order:
                    if inner.name not in outer.alphabet or inner.name in seen or inner.required:
                        continue
                    if not inner.alphabet or inner.spec.inline:
                        continue
                    seen.add(inner.name)
                    following.append((inner, (*chain, inner.name)))
            for inner, chain in following:
                if self._stands(inner, node, in_line=in_line) and inner.inline_content == in_line:
                    return chain
            rows = following
        return None

    def _search(self, parent: NodeType, units: Sequence[_Unit], *, top: bool) -> _Step | None:
        """Return the last step of the cheapest way; None when there is none."""
        order = count()
        queue: list[tuple[int, int, int, int, _Step]] = [(0, 0, next(order), START, _Step(None))]
        done: set[tuple[int, int]] = set()
        while queue:
            cost, at, _, state, step = heapq.heappop(queue)
            at = -at
            if (at, state) in done:
                continue
            done.add((at, state))
            ends = parent.content.ends(state)
            if at == len(units) and (ends or (state == START and step.before is not None)):
                return step

            def push(more: int, to: int, then: int, kind: str, node: Node | None) -> None:
                queued = (cost + more, -to, next(order), then, _Step(step, kind, node))  # noqa: B023
                heapq.heappush(queue, queued)

            for position in parent.content.after(state):
                if at < len(units) and self._takes(parent, position, units[at]):
                    push(units[at].cost, at + 1, position, "take", units[at].node)
                filler = self._filler(parent.allowed[position])
                if filler:
                    push(filler[0], at, position, "fill", filler[1])
            if top:
                continue
            if ends and state != START:
                push(_SPLIT, at, START, "split", None)
            if at < len(units) and (ends or state == START):
                push(_OUT, at + 1, START, "out", units[at].node)
        return None

    def _takes(self, parent: NodeType, position: int, unit: _Unit) -> bool:
        node = unit.node
        if not isinstance(node, Leaf) and (parent.name, node.type) in self._pairs:
            return True
        return self._schema.fits_at(parent, position, node, in_line=unit.in_line)

    def _filler(self, names: frozenset[str]) -> tuple[int, Node] | None:
        """Return the smallest node of one of these types, and what it costs."""
        best: tuple[int, Node] | None = None
        for one in self._schema.order:
            if one.name in names and one.name != TEXT and not one.required:
                made = self._smallest(one)
                if made and (best is None or made[0] < best[0]):
                    best = made[0], Element(one.name, {}, made[1])
        return best

    def _smallest(self, kind: NodeType) -> tuple[int, list[Node]] | None:
        """Return the cheapest content of *kind*; None when it has none that can be made."""
        if kind.name not in self._fillers:
            # A node that needs itself cannot be made.
            self._fillers[kind.name] = None
            steps = self._search(kind, [], top=True)
            if steps is not None:
                children = [step.node for step in _in_order(steps) if step.node is not None]
                text = kind.inline_content and not kind.spec.code
                self._fillers[kind.name] = (1 if text else 3) + len(children), children
        return self._fillers[kind.name]


def _in_order(last: _Step) -> list[_Step]:
    found: list[_Step] = []
    step = last
    while step.before is not None:
        found.append(step)
        step = step.before
    return found[::-1]


def _built(element: Element, last: _Step) -> list[Node]:
    """Return *element* once, or once for each part that it was split into, and what is out."""
    found: list[Node] = []
    part: list[Node] = []
    attrs = element.attrs

    def close() -> None:
        nonlocal attrs
        if part:
            found.append(Element(element.type, attrs, joined(part), None, element.origin))
            part.clear()
            # What names one node must not name two.
            attrs = {key: value for key, value in attrs.items() if key != "id"}

    for step in _in_order(last):
        if step.kind == "take" and step.node is not None:
            part.append(step.node)
        elif step.kind == "fill" and step.node is not None:
            part.append(_copy(step.node))
        else:
            close()
            if step.node is not None:
                found.append(step.node)
    close()
    return found


def _copy(node: Node) -> Node:
    if isinstance(node, Leaf):
        return node
    return Element(node.type, dict(node.attrs), [_copy(child) for child in node.children])
