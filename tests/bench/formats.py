"""`python -m tests.bench.formats`: conversion of content, MB/s of what is read or written.

In this process, without a stack: what a worker does with one scene of *SIZE* bytes, in each
layout; then a PUT of that scene with one word changed.
"""

import random
import time
from collections.abc import Callable

from libs.contracts.collab.content import ContentFormat
from services.collab import formats, pieces
from services.collab.formats import slate
from services.collab.formats.tree import Element, Leaf

SIZE = 1_000_000
"""Bytes of text."""
REPEATS = 2
PARAGRAPH_WORDS = 60
WORDS = tuple(
    "the ice was all about us and no land could be seen 😀 — where walton wrote home".split()  # noqa: SIM905
)
NOBODY = b"\x00\x00"


def main() -> None:
    """Print one table of conversions, and one of edits."""
    root = scene(SIZE)
    body = slate.render(root)
    states = {
        "slate": update(formats.rewrite(NOBODY, ContentFormat.BLOCKS, body)),
        "xml": update(
            formats.rewrite(
                NOBODY,
                ContentFormat.PROSEMIRROR,
                formats.render(
                    update(formats.rewrite(NOBODY, ContentFormat.BLOCKS, body)),
                    ContentFormat.PROSEMIRROR,
                ),
            )
        ),
        "plain": update(
            formats.rewrite(
                NOBODY,
                ContentFormat.TEXT,
                b"\n".join(
                    "".join(leaf.text for leaf in block.children if isinstance(leaf, Leaf)).encode()
                    for block in root.children
                    if isinstance(block, Element)
                ),
            )
        ),
    }
    print(f"{SIZE:,} bytes of text, {len(root.children):,} paragraphs, best of {REPEATS}\n")
    print("layout | format      |  MB of body | read MB/s | new MB/s | one word ms | edit bytes")
    for name, state in states.items():
        for form in ContentFormat:
            if form is not ContentFormat.YJS:
                print(row(name, state, form))
    large = states["slate"]
    cut_s = best(lambda: pieces.cut(large))
    print(f"\ncut into pieces: {len(pieces.cut(large))}, {len(large) / cut_s / 1e6:.1f} MB/s")


def row(name: str, state: bytes, form: ContentFormat) -> str:
    """Measure one format of one layout."""
    body = formats.render(state, form)
    changed = body.replace(b"walton", b"frankenstein", 1)
    edit = update(formats.rewrite(state, form, changed))
    read_s = best(lambda: formats.render(state, form))
    new_s = best(lambda: formats.rewrite(NOBODY, form, body))
    edit_s = best(lambda: formats.rewrite(state, form, changed))
    megabytes = len(body) / 1e6
    return (
        f"{name:6} | {form:11} | {megabytes:11.2f} | {megabytes / read_s:9.1f} |"
        f" {megabytes / new_s:8.1f} | {edit_s * 1e3:11.0f} | {len(edit):10,}"
    )


def scene(size: int) -> Element:
    """Paragraphs of words in no order, every third with something marked in it."""
    choose = random.Random(size)
    found = Element(None)
    written = 0
    while written < size:
        text = " ".join(choose.choices(WORDS, k=PARAGRAPH_WORDS)) + "."
        written += len(text.encode())
        block = Element("paragraph", {}, [Leaf(text)])
        if len(found.children) % 3 == 0:
            block.children = [
                Leaf(text[:20] + "x"),
                Leaf("marked words", {"bold": True}),
                Leaf(text[20:]),
            ]
        found.children.append(block)
    return found


def best(work: Callable[[], object]) -> float:
    """Return the seconds of the fastest of REPEATS."""
    times: list[float] = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def update(found: bytes | None) -> bytes:
    """Return an edit that there must be."""
    assert found is not None
    return found


if __name__ == "__main__":
    main()
