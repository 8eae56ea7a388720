"""Carry a change that somebody made in Markdown back into the document it was read from."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from services.collab import align
from services.collab.formats import merge, names
from services.collab.formats.markdown.blocks import of_document
from services.collab.formats.markdown.parse import parse
from services.collab.formats.tree import Element, Leaf, Node, elements, key_of


def rewrite(
    native: Element, ours: Element, wanted: str, back: Callable[[Element], Element]
) -> Element:
    """Return *native* changed so that its Markdown is *wanted*.

    Args:
        native: What the document holds.
        ours: The same under our names.
        wanted: Markdown that somebody made of what `render` returned.
        back: Translates our names into the document's.
    """
    # As each block shows by itself, and of which block each shown one is.
    labels = list(_footnotes(ours))
    sources = ["\n".join(rows) for rows in of_document(ours.children)]
    shown = [parse(source, labels, part=True).children for source in sources]
    owners = [at for at, blocks in enumerate(shown) for _ in blocks]
    seen = [one for blocks in shown for one in blocks]
    new = parse(wanted).children
    pairs = align.equal_pairs([key_of(one) for one in seen], [key_of(one) for one in new])
    equal = Counter(owners[i] for i, _ in pairs)
    becomes = {k: i for i, k in [*pairs, *merge.alike(pairs, seen, new)]}
    found: list[Node] = []
    last = -1
    for k, one in enumerate(new):
        i = becomes.get(k)
        at = -1 if i is None else owners[i]
        if i is None or (len(shown[at]) > 1 and equal[at] < len(shown[at])):
            found += back(Element(None, {}, [one])).children
            continue
        if at > last:
            # Blocks that Markdown does not show, such as empty ones, stay where they are.
            found += _silent(native, shown, last + 1, at)
            found.append(_merged(native.children[at], seen[i], one, back))
            last = at
    found += _silent(native, shown, last + 1, len(shown))
    return Element(None, {}, found)


def _footnotes(root: Element) -> Iterator[str]:
    """Yield the labels of all footnotes in *root*."""
    for child in elements(root.children):
        if child.type == names.FOOTNOTE:
            yield str(child.attrs.get("label"))
        yield from _footnotes(child)


def _silent(native: Element, shown: Sequence[Sequence[Node]], start: int, end: int) -> list[Node]:
    return [native.children[at] for at in range(start, end) if not shown[at]]


def _merged(native: Node, seen: Node, wanted: Node, back: Callable[[Element], Element]) -> Node:
    if isinstance(native, Leaf) or isinstance(seen, Leaf) or isinstance(wanted, Leaf):
        return native
    return merge.merge(native, seen, wanted, back)
