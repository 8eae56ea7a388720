"""Frankenstein as a project: a book, its chapters, and scenes of a readable length."""

import json
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tools.cli.tour.api import Guest

SCENE_CHARS = 6_000
"""About four pages. A scene ends at the first paragraph that brings it here."""
UPLOADS_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Chapter:
    """A title and the texts of its scenes."""

    title: str
    scenes: list[str]


@dataclass(frozen=True, slots=True)
class Manuscript:
    """The manuscript that is imported."""

    title: str
    author: str
    license: str
    chapters: list[Chapter]

    @property
    def scenes(self) -> int:
        """The number of scenes."""
        return sum(len(chapter.scenes) for chapter in self.chapters)

    @property
    def words(self) -> int:
        """The number of words."""
        return sum(len(text.split()) for chapter in self.chapters for text in chapter.scenes)


def load(path: Path) -> Manuscript:
    """Read a manuscript of data/manuscripts."""
    book = json.loads(path.read_text(encoding="utf-8"))
    return Manuscript(
        book["title"],
        book["author"],
        book["license"],
        [Chapter(_title(one["title"]), scenes(one["paragraphs"])) for one in book["chapters"]],
    )


def scenes(paragraphs: list[str]) -> list[str]:
    """Cut a chapter into scenes: whole paragraphs, SCENE_CHARS or a little more each."""
    found: list[str] = []
    gathered: list[str] = []
    for paragraph in paragraphs:
        gathered.append(paragraph)
        if sum(map(len, gathered)) >= SCENE_CHARS:
            found.append("\n\n".join(gathered))
            gathered = []
    if gathered:
        rest = "\n\n".join(gathered)
        # The rest becomes a scene only if it is long enough.
        if found and len(rest) < SCENE_CHARS // 4:
            found[-1] += "\n\n" + rest
        else:
            found.append(rest)
    return found


def upload(
    owner: Guest, project_id: str, manuscript: Manuscript, told: Callable[[str], None]
) -> str:
    """Create the book and everything in it; *told* hears each scene. Returns the book's id.

    Raises:
        TourEnded: The system refused.
    """
    book = owner.create(f"/api/projects/{project_id}/books", title=manuscript.title, kind="novel")
    with ThreadPoolExecutor(UPLOADS_AT_ONCE) as pool:
        writing: list[Future[None]] = []
        for chapter in manuscript.chapters:
            # One after the other: the order of creation is the order in the book.
            chapter_id = owner.create(f"/api/books/{book}/chapters", title=chapter.title)
            for number, text in enumerate(chapter.scenes, 1):
                title = f"{chapter.title}, {number}" if len(chapter.scenes) > 1 else chapter.title
                scene = owner.create(f"/api/chapters/{chapter_id}/scenes", title=title)
                writing.append(pool.submit(owner.write, scene, text))
                told(title)
        for written in writing:
            written.result()
    return book


def _title(raw: str) -> str:
    """Files without a heading of their own are named after the file."""
    return raw.removesuffix(".xhtml").capitalize() if raw.endswith(".xhtml") else raw
