"""The code blocks of our pages, and what kind each is.

    sh, js      executed, all of a page in order, against a running system
    json        parsed, one value after the other
    text, http  what is shown, not done: output, synopses, drawings

A block that could be executed and is not has a reason on the line above it:

    <!-- not run: it stops the machine -->
"""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
RUN = {"sh", "js"}
READ = {"json"}
SHOWN = {"text", "http"}
ELSEWHERE = {"python", "sql"}
"""Never executed here, so each has its reason."""
_BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<reason>.+?) -->\n)?```(?P<language>[^\n]*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Block:
    """One block of a page; `reason` says why it is not executed, where it could be."""

    page: str
    line: int
    language: str
    text: str
    reason: str | None


def pages() -> list[str]:
    """Return all pages that people follow; decisions tell of a moment, as does the changelog."""
    folders = ("", "docs/", "docs/operations/", "docs/runbooks/")
    found = [page for folder in folders for page in ROOT.glob(f"{folder}*.md")]
    return sorted(page.relative_to(ROOT).as_posix() for page in found if "CHANGE" not in page.name)


def blocks(page: str) -> list[Block]:
    """Return the blocks of a page, in order."""
    text = (ROOT / page).read_text()
    return [
        Block(
            page,
            text.count("\n", 0, match.start("language")) + 1,
            match["language"],
            match["text"],
            match["reason"],
        )
        for match in _BLOCK.finditer(text)
    ]
