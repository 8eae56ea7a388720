"""What a scene reads already is no edit: what was got, and what was sent a moment ago."""

from random import Random

import pytest

from libs.contracts.collab.content import ContentFormat
from libs.contracts.editors import BuiltIn, SceneEditor
from services.collab import formats, updates
from services.collab.formats import CannotHold
from tests.clients.editors.test_puts import FORMATS
from tests.collab.formats.test_converted import begun

MARKDOWN = (
    "# Head *of* it\n", "Text **bold *both* only** `code` ~~not~~\n", "> quote\n>\n> > nested\n",
    "- a\n  - b\n    - c\n- d\n", "3. x\n4. y\n", "- [x] done\n  - [ ] open\n", "---\n", "> \n",
    "| a | b |\n| - | -: |\n| **c** d | |\n", "```js\ncode\n\nmore\n```\n", "a\\\nb<br>c\nd\n",
    'text ![alt](https://example.org/a.png "t") text\n', "[^2]: One\n\n    Two\n", "&nbsp;\n",
    '[a]: https://example.org "T"\n', "- > q\n- ![i](https://example.org/a.png)\n", "- \n- x\n",
    "- a\n\n  b\n\n      code\n", "**a**b*c*d “*—x*”\n", "- a\n\n  | x |\n  | - |\n",
    "[^1] [a]\n\n[^1]: Note\n", "| a<br>b | c |\n| --- | --- |\n| d | e |\n",
)  # fmt: skip
SCENES = 8
WITHOUT_IDS = b'[{"type":"paragraph","children":[{"text":"One"}]},{"type":"divider"}]'


def markdown(pick: Random) -> bytes:
    return "\n".join(pick.choice(MARKDOWN) for _ in range(pick.randint(1, 4))).encode()


@pytest.mark.parametrize("editor", BuiltIn)
def test_what_was_got_is_no_edit(editor: BuiltIn):
    """Letter by letter the same, in every format; also of what came as Markdown."""
    named = SceneEditor(name=editor)
    for seed in range(SCENES):
        pick = Random(f"{editor} {seed}")
        state = begun(named, seed)
        for _ in range(2):
            for form in FORMATS:
                got = formats.render(state, form, named)
                assert formats.rewrite(state, form, got, named) is None, (seed, form, got)
            try:
                more = formats.rewrite(state, ContentFormat.MARKDOWN, markdown(pick), named)
            except CannotHold:
                break
            state = updates.merge([state, more]) if more else state


@pytest.mark.parametrize("editor", BuiltIn)
def test_what_was_sent_is_no_edit_the_second_time(editor: BuiltIn):
    """Whoever does not know whether it arrived sends it again."""
    named, edits = SceneEditor(name=editor), 0
    for seed in range(SCENES):
        pick = Random(f"again {editor} {seed}")
        for form, sent in (
            (ContentFormat.MARKDOWN, markdown(pick)),
            (
                ContentFormat.BLOCKS,
                formats.render(begun(named, seed + SCENES), ContentFormat.BLOCKS),
            ),
            (ContentFormat.BLOCKS, WITHOUT_IDS),
        ):
            state = begun(named, seed)
            try:
                update = formats.rewrite(state, form, sent, named)
            except CannotHold:
                continue
            if update is None:
                continue
            edits += 1
            after = updates.merge([state, update])
            assert formats.rewrite(after, form, sent, named) is None, (seed, form, sent)
    assert edits >= SCENES
