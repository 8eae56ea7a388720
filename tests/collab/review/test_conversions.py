"""Anchors of scenes that are converted to another editor, over HTTP."""

import pytest

from libs.contracts.editors import BuiltIn
from tests.support.people import Person

PLAIN = """Letter I

You will rejoice to hear that no disaster has accompanied the commencement of an enterprise.

I arrived here yesterday, and my first task is to assure my dear sister of my welfare.

I am already far north of London; do you understand this feeling? 𝄞

This breeze, which has travelled from the regions

Inspirited by this wind of promise, my daydreams become more fervent and vivid."""
"""Paragraphs, which every editor can hold, with a character of two code units."""

RICH = (
    PLAIN.replace("Letter I", "# Letter I")
    .replace("no disaster", "*no disaster*")
    .replace("commencement", "**commencement**")
    .replace("I arrived", "> I arrived")
    .replace("This breeze", "- This breeze")
)
"""The same with a heading, marks, a quotation and a list."""

QUOTES = (
    "Letter I",
    "rejoice",
    "no disaster has",
    "commencement",
    "enterprise.",
    "I arrived here yesterday",
    "this feeling? 𝄞",
    "from the regions",
    "vivid.",
    "a",
)


class Desk:
    """A scene with threads, whose editor changes."""

    def __init__(self, person: Person, scene: str) -> None:
        self.person, self.scene = person, scene

    async def text(self) -> str:
        return await self.person.text(self.scene)

    async def talk(self) -> dict[str, str]:
        """Begin a thread on each of QUOTES where it stands first; returns them by thread."""
        text, path = await self.text(), f"/api/scenes/{self.scene}/threads"
        quotes: dict[str, str] = {}
        for quote in QUOTES:
            if quote not in text:
                continue  # Plain text shows the asterisks of Markdown.
            start = len(text[: text.index(quote)].encode("utf-16-le")) // 2
            end = start + len(quote.encode("utf-16-le")) // 2
            anchor = {"range": {"from": start, "to": end}}
            made = await self.person.ask("POST", path, anchor=anchor, body="Why?")
            quotes[made["id"]] = quote
        return quotes

    async def convert(self, editor: str) -> bool:
        """Convert the scene; returns False when that editor cannot hold its text."""
        path = f"/api/scenes/{self.scene}/editor"
        answer = await self.person.http.post(path, json={"editor": editor})
        assert answer.status_code in (200, 409), answer.text
        return answer.status_code == 200

    async def wrong(self, quotes: dict[str, str]) -> list[str]:
        """Return which threads do not stand on their words, or are not sure of them."""
        text = (await self.text()).encode("utf-16-le")
        listed = await self.person.ask("GET", f"/api/scenes/{self.scene}/threads")
        wrong: list[str] = []
        for thread in listed["items"]:
            anchor, quote = thread["anchor"], quotes[thread["id"]]
            stands = text[2 * anchor["from"] : 2 * anchor["to"]].decode("utf-16-le")
            if (stands, anchor["status"]) != (quote, "exact"):
                wrong.append(f"{quote!r} is {anchor['status']} on {stands!r}")
        return wrong


async def with_threads(person: Person, project: str, text: str) -> tuple[Desk, dict[str, str]]:
    desk = Desk(person, await person.scene(project))
    body = {"format": "markdown", "content": text}
    await person.ask("PUT", f"/api/scenes/{desk.scene}/content", **body)
    return desk, await desk.talk()


@pytest.mark.parametrize(
    "present",
    [one if one == "plain" else pytest.param(one, marks=pytest.mark.long) for one in BuiltIn],
)
async def test_anchors_survive_the_conversion_to_every_editor(ada: Person, present: str) -> None:
    """Each stands on its words, is exact, and says so: a conversion is one edit of all of them.

    A text that the other editor cannot hold is refused, with its anchors where they were; one of
    paragraphs is converted then.
    """
    project = await ada.project("Frankenstein", editor=present)
    wrong: dict[str, list[str]] = {}
    for editor in BuiltIn:
        if editor == present:
            continue
        desk, quotes = await with_threads(ada, project, RICH)
        if not await desk.convert(editor):
            wrong[f"refused by {editor}"] = await desk.wrong(quotes)
            desk, quotes = await with_threads(ada, project, PLAIN)
            assert await desk.convert(editor)
        wrong[editor] = await desk.wrong(quotes)
    assert not any(wrong.values()), wrong
