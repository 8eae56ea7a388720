"""Text as Markdown that reads as that text, and addresses likewise."""

import re

from markdown_it.common.utils import (
    MD_TRIM_CHARS,
    isMdAsciiPunct,
    isPunctChar,
    isValidEntityCode,
    isWhiteSpace,
)

from services.collab.formats.markdown import autolinks

SCHEME = "scriptorium:"
"""Links with this scheme stand for what Markdown cannot show."""
SEPARATOR = f"[]({SCHEME})"
"""Reads as nothing, as the link that stands for nothing. It keeps characters that have no character
reference apart from what is beside them."""

_SPECIAL = re.compile(
    r"""
    [\\`*\[\]~]
    | _(?![^\W_]) | (?<![^\W_])_     # within a word it is a letter
    | <(?!\s) | &(?=[#A-Za-z])
    """,
    re.VERBOSE,
)
_AT_START = re.compile(r"(?=[#+\-=>|]|:[ \t]*-)|(\d{1,9})(?=[.)])|(\[\^[^\]\s]+\])(?=:)")
_LEAD = re.compile(f"[{re.escape(MD_TRIM_CHARS)}]+")
_TRAIL = re.compile(f"(?<![{re.escape(MD_TRIM_CHARS)}])[{re.escape(MD_TRIM_CHARS)}]+\\Z")
_CLOSING_HASHES = re.compile(r"(?:^|(?<=[ \t]))(?=#+$)")
_NEEDS_BRACKETS = re.compile(r"[\s()<>\x00-\x20\x7f]")


def text(source: str) -> str:
    """Return *source* with a backslash before everything that would be markup in a line."""
    escaped = autolinks.escaped(_SPECIAL.sub(r"\\\g<0>", source))
    return escaped.replace("\r", "&#13;") if "\r" in escaped else escaped


def reference(character: str) -> str:
    """Return *character* written in a way that is punctuation to what is beside it."""
    code = ord(character)
    return f"&#{code};" if isValidEntityCode(code) else SEPARATOR + character + SEPARATOR


def is_space(character: str) -> bool:
    """Whether *character* is white space to the delimiters of emphasis."""
    return isWhiteSpace(ord(character))


def is_punctuation(character: str) -> bool:
    """Whether *character* is punctuation to the delimiters of emphasis."""
    return isMdAsciiPunct(ord(character)) or isPunctChar(character)


def row(source: str) -> str:
    """Return a row of a paragraph so that none of it is taken for the beginning of a block."""
    if source.startswith("\ufeff"):
        source = reference("\ufeff") + source[1:]
    return edges(_AT_START.sub(r"\1\2\\", source, count=1) if _AT_START.match(source) else source)


def edges(source: str) -> str:
    """Return *source* with the white space at both ends written so that it stays."""
    if lead := _LEAD.match(source):
        source = "".join(map(reference, lead[0])) + source[lead.end() :]
    if source and source[-1] in MD_TRIM_CHARS and (trail := _TRAIL.search(source)):
        spelled = "".join(map(reference, trail[0]))
        source = source[: trail.start()]
        if source.endswith("!") and spelled.startswith("["):
            source = f"{source[:-1]}\\!"
        source += spelled
    return source


def heading(source: str) -> str:
    """Return the one row of a heading; hashes at its end would be taken for its end."""
    return edges(_CLOSING_HASHES.sub(r"\\", source))


def target(href: str, title: object = None) -> str:
    """Return what stands in the parentheses of a link, or behind the colon of a definition."""
    escaped = re.sub(r"[\\<>]|&(?=[#A-Za-z])", r"\\\g<0>", href)
    escaped = escaped.replace("\n", "&#10;").replace("\r", "&#13;")
    shown = f"<{escaped}>" if _NEEDS_BRACKETS.search(href) or not href else escaped
    if isinstance(title, str) and title:
        quoted = re.sub(r"[\\\"]|&(?=[#A-Za-z])", r"\\\g<0>", title)
        quoted = quoted.replace("\n", "&#10;").replace("\r", "&#13;")
        return f'{shown} "{quoted}"'
    return shown


def info(language: str) -> str:
    """Return what stands behind the fence of a block of code."""
    shown = re.sub(r"\\|&(?=[#A-Za-z])", r"\\\g<0>", language)
    shown = shown.replace("\n", "&#10;").replace("\r", "&#13;")
    kept = shown.strip(" \t")
    lead = "".join(map(reference, shown[: len(shown) - len(shown.lstrip(" \t"))]))
    return lead + kept + "".join(map(reference, shown[len(shown.rstrip(" \t")) :] if kept else ""))


def one_line_end(source: str) -> str:
    """Return *source* with line ends of one character: code has no other way to write them."""
    return source.replace("\r\n", "\n").replace("\r", "\n")
