"""Spaces at the edges of emphasis: Markdown has no good way to mark them, and nobody sees it."""

from collections.abc import Sequence

from services.collab.formats.tree import Leaf, Node, joined

_SPACES = " \n"
_MARKS = ("bold", "italic")


def unmarked(nodes: Sequence[Node]) -> list[Node]:
    """Return a line whose bold and italic begin and end with something else than a space.

    Spaces in links and code stay marked, and so do those that are all that is marked.
    """
    found = list(nodes)
    for mark in _MARKS:
        if any(_begins_or_ends_with_space(node, mark) for node in found):
            found = joined(_without_edges(found, mark))
    return found


def _begins_or_ends_with_space(node: Node, mark: str) -> bool:
    if not isinstance(node, Leaf) or mark not in node.marks or not node.text:
        return False
    return node.text[0] in _SPACES or node.text[-1] in _SPACES


def _without_edges(nodes: Sequence[Node], mark: str) -> list[Node]:
    found: list[Node] = []
    run: list[Node] = []
    for node in nodes:
        if isinstance(node, Leaf) and mark not in node.marks:
            found += _run(run, mark)
            run = []
            found.append(node)
        else:
            run.append(node)
    return [*found, *_run(run, mark)]


def _run(nodes: Sequence[Node], mark: str) -> list[Node]:
    """Return *nodes*, all leaves of which have *mark*, without it at the edges."""
    leaves = [at for at, node in enumerate(nodes) if isinstance(node, Leaf)]
    held = [at for at in leaves if _kept(nodes[at])]
    if not held:
        return list(nodes)
    first, last = held[0], held[-1]
    found: list[Node] = []
    for at, node in enumerate(nodes):
        if not isinstance(node, Leaf):
            found.append(node)
            continue
        bare = {name: value for name, value in node.marks.items() if name != mark}
        if at < first or at > last:
            found.append(Leaf(node.text, bare))
            continue
        lead, end = 0, len(node.text)
        if at == first and not _is_held(node):
            lead -= len(node.text.lstrip(_SPACES)) - end
        if at == last and not _is_held(node):
            end = len(node.text.rstrip(_SPACES))
        found += [
            Leaf(node.text[:lead], bare),
            Leaf(node.text[lead:end], node.marks),
            Leaf(node.text[end:], bare),
        ]
    return found


def _is_held(leaf: Leaf) -> bool:
    return "link" in leaf.marks or "code" in leaf.marks


def _kept(node: Node) -> str:
    """Return what of a leaf keeps its marks at the edge."""
    assert isinstance(node, Leaf)
    return node.text if _is_held(node) else node.text.strip(_SPACES)
