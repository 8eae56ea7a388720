"""Addresses and passwords in the one form in which they are compared (PRECIS, RFC 8265).

Different keyboards write the same letter as one character or as a letter and an accent, in half
or full width, and addresses in any case of letters; a domain may be written in its own letters or
in those of DNS (IDNA, RFC 5891). Comparing applies the mappings of the profiles. What the profiles
refuse is refused in a new address, and found in an old one, since accounts with such addresses
exist.
"""

import re
import unicodedata
from contextlib import suppress

import idna

_WIDTHS = ("<wide>", "<narrow>")
_WORDS = re.compile(r"[^\x00-/:-@\[-`{-\x7f]+")
"""Stretches between the punctuation of ASCII."""
_A_LABEL = "xn--"
_ALIKE = frozenset({"ARMENIAN", "CHEROKEE", "CYRILLIC", "GREEK", "LATIN"})
"""Scripts with many letters that look like those of another one."""


def normal_email(email: str) -> str:
    """Return an address as the profile UsernameCaseMapped maps it, its domain in A-labels.

    Lower case, not case folding: folding makes a long s, or a sharp s, into what is another
    account's address.
    """
    local, at, domain = _mapped(email).rpartition("@")
    labels = domain.removesuffix(".").split(".")
    return f"{local}{at}{'.'.join(map(_a_label, labels))}"


def email_keys(email: str) -> list[str]:
    """Return the normal forms under which the account of an address may be found.

    Earlier releases left a domain in the letters that it was typed in.
    """
    normal = normal_email(email)
    local, at, domain = normal.rpartition("@")
    readable = f"{local}{at}{'.'.join(map(_u_label, domain.split('.')))}"
    return list(dict.fromkeys((normal, readable, _mapped(email))))


def require_email(email: str) -> str:
    """Return *email* if an account may be made with it.

    Raises:
        ValueError: It has characters that an address may not have, as invisible ones, or letters of
            several scripts in one word, which look like those of another address.
    """
    local, _, domain = _mapped(email).rpartition("@")
    if not local or "@" in local or any(each <= " " or each == "\x7f" for each in local + domain):
        raise ValueError("is no address")
    for word in _WORDS.findall(local):
        _require_word(word)
    for label in domain.removesuffix(".").split("."):
        _require_label(label)
    return email


def normal_password(password: str) -> str:
    """Return a password as the profile OpaqueString maps it."""
    spaced = "".join(" " if unicodedata.category(each) == "Zs" else each for each in password)
    return unicodedata.normalize("NFC", spaced)


def _mapped(email: str) -> str:
    return unicodedata.normalize("NFC", "".join(map(_plain_width, email.strip())).lower())


def _plain_width(character: str) -> str:
    kind, _, code = unicodedata.decomposition(character).partition(" ")
    return chr(int(code, 16)) if kind in _WIDTHS else character


def _a_label(label: str) -> str:
    """Return a label as DNS has it; as it is, when it can be in no name of a host."""
    if not label.isascii():
        with suppress(idna.IDNAError):
            return idna.alabel(label).decode()
    return label


def _u_label(label: str) -> str:
    """Return a label in its own letters; as it is, when it stands for none."""
    if label.startswith(_A_LABEL):
        with suppress(idna.IDNAError):
            return idna.ulabel(label)
    return label


def _require_label(label: str) -> None:
    try:
        if label.startswith(_A_LABEL):
            label = idna.ulabel(label)
        elif not label.isascii():
            idna.alabel(label)
    except idna.IDNAError as error:
        raise ValueError(f"has a domain that cannot be: {error}") from None
    _require_one_script(label)


def _require_word(word: str) -> None:
    # What PRECIS lets stand in an identifier is what IDNA lets stand in a label, and more of ASCII.
    if word.isascii():
        return
    try:
        idna.check_label(word)
    except idna.IDNAError as error:
        raise ValueError(f"has a character that an address may not have: {error}") from None
    _require_one_script(word)


def _require_one_script(word: str) -> None:
    scripts = {unicodedata.name(each, "").partition(" ")[0] for each in word} & _ALIKE
    if len(scripts) > 1:
        mixed = " and ".join(sorted(each.title() for each in scripts))
        raise ValueError(f"mixes letters that look alike: {mixed}")
