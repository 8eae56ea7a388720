"""GFM's autolinks: addresses that are links without any markup.

The text of a paragraph is searched with one expression after its other markup was found, so the
time is linear. What was escaped or written as a character reference is a token of its own, so an
escaped address is none.
"""

import re
from collections.abc import Sequence

from markdown_it.token import Token

_ADDRESS = re.compile(
    r"""(?<![^\s*_~(])(?:
        (?P<url>(?:https?://(?P<host>[\w-]+(?:\.[\w-]+)*+)|www(?P<site>(?:\.[\w-]+)++))[^\s<]*)
    )
    |(?<![A-Za-z0-9.+_-])
        (?P<mail>(?:(?:mailto|xmpp):)?[A-Za-z0-9.+_-]++@[A-Za-z0-9_-]++(?:\.[A-Za-z0-9_-]++)++)
        (?P<resource>(?<=[A-Za-z0-9])/[A-Za-z0-9@.]+)?
    """,
    re.VERBOSE,
)
_REFERENCE_AT_END = re.compile(r"&[A-Za-z0-9]+;\Z")
_REFERENCE_CHARS_MAX = 34
_OPENS = re.compile(
    r"(?P<scheme>https?):(?=//[\w-])|(?P<site>www)\.(?=[\w-])|(?<=[A-Za-z0-9.+_-])@(?=[A-Za-z0-9_-])"
)


def may_be_in(source: str) -> bool:
    """Whether a search in *source* is worth its time."""
    return "@" in source or "www." in source or "://" in source


def escaped(text: str) -> str:
    """Return *text* with a backslash in everything that would read as an autolink."""
    if not may_be_in(text):
        return text
    return _OPENS.sub(lambda found: f"{found[0][:-1]}\\{found[0][-1]}", text)


def linked(tokens: Sequence[Token]) -> list[Token]:
    """Return the *tokens* of a line with the addresses in their text made links."""
    found: list[Token] = []
    inside = 0
    before = " "
    for token in tokens:
        if token.type in ("link_open", "link_close"):
            inside += token.nesting
        if token.type == "text" and not inside and may_be_in(token.content):
            found += _split(token.content, before)
        else:
            found.append(token)
        before = _last(token, before)
    return found


def _last(token: Token, before: str) -> str:
    """Return the character that stands before what follows *token*."""
    match token.type:
        case "text" | "text_special":
            return token.content[-1:] or before
        case "softbreak" | "hardbreak":
            return "\n"
        case "code_inline" | "html_inline" | "image" | "link_close" | "footnote_ref":
            return "x"
        case _:
            return "*"


def _split(text: str, before: str) -> list[Token]:
    found: list[Token] = []
    at = 0
    for one in _ADDRESS.finditer(text):
        is_url = one["url"] is not None
        if one.start() == 0 and not (_may_precede_url if is_url else _may_precede_mail)(before):
            continue
        shown = _trimmed(one[0]) if is_url else one[0]
        if not (_is_host(one) if is_url else _is_mail(one)):
            continue
        if one.start() > at:
            found.append(Token("text", "", 0, content=text[at : one.start()]))
        found += [
            Token("link_open", "a", 1, attrs={"href": _target(one, shown)}),
            Token("text", "", 0, content=shown),
            Token("link_close", "a", -1),
        ]
        at = one.start() + len(shown)
    if at < len(text):
        found.append(Token("text", "", 0, content=text[at:]))
    return found


def _may_precede_url(character: str) -> bool:
    return character.isspace() or character in "*_~("


def _may_precede_mail(character: str) -> bool:
    return not (character.isascii() and character.isalnum())


def _is_host(found: re.Match[str]) -> bool:
    """Whether the host is one: no underscore stands in its last two parts."""
    host = found["host"] or found["site"]
    return "_" not in "".join(host.split(".")[-2:])


def _is_mail(found: re.Match[str]) -> bool:
    return found["mail"][-1] not in "-_"


def _target(found: re.Match[str], shown: str) -> str:
    if found["url"] is not None:
        return shown if found["host"] else f"http://{shown}"
    return shown if shown.startswith(("mailto:", "xmpp:")) else f"mailto:{shown}"


def _trimmed(address: str) -> str:
    """Return *address* without the punctuation at its end that belongs to the sentence."""
    end = len(address)
    surplus = address.count(")") - address.count("(")
    while end:
        last = address[end - 1]
        if last in "?!.,:*_~'\"":
            end -= 1
        elif last == ")" and surplus > 0:
            surplus -= 1
            end -= 1
        elif last == ";":
            start = max(0, end - _REFERENCE_CHARS_MAX)
            reference = _REFERENCE_AT_END.search(address, start, end)
            end = reference.start() if reference else end - 1
        else:
            break
    return address[:end]
