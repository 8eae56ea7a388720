"""The dialect of Markdown that is read here: CommonMark and GFM, set up from markdown-it.

Beside the two standards `<br>` is a line break, as every GFM renderer has it, because a heading
and a cell of a table have no other. All other HTML is text, letter by letter: nothing here could
hold it otherwise, and nothing may run in a reader's browser. Blocks of it are read as what they
hold, so that a comment that nobody closed does not take the rest of the text with it.
"""

import re
from typing import override

from markdown_it import MarkdownIt
from markdown_it.parser_block import RuleFuncBlockType
from markdown_it.rules_block import StateBlock, blockquote, list_block, reference
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from mdit_py_plugins.footnote.index import footnote_def, footnote_ref

from services.collab.formats.markdown import autolinks

DEPTH_MAX = 60
"""Levels of quotations, lists (two each: list and item) and footnotes in one another. Deeper ones
read as text, and are not written: what they hold stands in the place of the last that is."""
BRACKETS_MAX = 20
"""Levels of brackets in one another; deeper ones are no links."""

_INTERRUPTED = ("paragraph", "reference")
_INVISIBLE = re.compile(r"[\x00-\x20\x7f-\x9f]+")
_UNSAFE = re.compile(r"(?:javascript|vbscript|data):", re.IGNORECASE)
_PICTURE = re.compile(r"data:image/(?:gif|png|jpeg|webp|avif);", re.IGNORECASE)
_BREAK = re.compile(r"<br[ \t]*/?>", re.IGNORECASE)


def is_safe(address: str) -> bool:
    """Whether a browser may follow *address*: it runs no script and carries no document."""
    # Browsers skip these characters before they look at the scheme.
    plain = _INVISIBLE.sub("", address)
    return not _UNSAFE.match(plain) or bool(_PICTURE.match(plain))


class _Reader(MarkdownIt):
    """Keeps addresses as the writer spelled them; encoding them is for those who render HTML."""

    @override
    def normalizeLink(self, url: str) -> str:
        return url

    @override
    def normalizeLinkText(self, link: str) -> str:
        return link

    @override
    def validateLink(self, url: str) -> bool:
        return is_safe(url)


def reader() -> MarkdownIt:
    """Return a parser of the dialect; its tokens are those of markdown-it."""
    made = _made(DEPTH_MAX + 3)
    # How deep brackets nest decides how long hostile ones take, and blocks must nest deeper.
    inline = _made(BRACKETS_MAX)
    blocks = made.block.ruler
    blocks.at("blockquote", _bounded(blockquote), {"alt": [*_INTERRUPTED, "blockquote", "list"]})
    blocks.at("list", _bounded(list_block), {"alt": [*_INTERRUPTED, "blockquote"]})
    blocks.before("reference", "footnote", _bounded(footnote_def), {"alt": [*_INTERRUPTED]})
    blocks.at("reference", _definition)
    inline.inline.ruler.before("link", "footnote", footnote_ref)
    inline.inline.ruler.before("autolink", "break", _break)

    def lines(state: StateCore) -> None:
        for token in state.tokens:
            if token.type == "inline" and token.children is not None:
                inline.inline.parse(token.content, inline, state.env, token.children)

    made.core.ruler.at("inline", lines)
    made.core.ruler.before("text_join", "autolinks", _autolinks)
    return made


def _made(nesting: int) -> MarkdownIt:
    made = _Reader(
        "commonmark",
        {
            "html": True,
            "inline_definitions": True,
            "tasklists": True,
            "strikethrough_single_tilde": True,
            "maxNesting": nesting,
        },
    )
    return made.enable(["table", "strikethrough"]).disable("html_block")


def _bounded(rule: RuleFuncBlockType) -> RuleFuncBlockType:
    """Return *rule*, which finds nothing where blocks are nested too deep already."""

    def bounded(state: StateBlock, start: int, end: int, silent: bool) -> bool:
        return state.level < DEPTH_MAX and rule(state, start, end, silent)

    return bounded


def _definition(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Read the definition of a link; where footnotes are too deep theirs are text, and no links."""
    begin = state.bMarks[start] + state.tShift[start]
    return not state.src.startswith("[^", begin) and reference(state, start, end, silent)


def _break(state: StateInline, silent: bool) -> bool:
    found = _BREAK.match(state.src, state.pos, state.posMax)
    if found is None:
        return False
    if not silent:
        state.push("hardbreak", "br", 0)
    state.pos = found.end()
    return True


def _autolinks(state: StateCore) -> None:
    for token in state.tokens:
        if token.type == "inline" and token.children and autolinks.may_be_in(token.content):
            token.children = autolinks.linked(token.children)
