"""Addresses and passwords in the one form in which they are compared (PRECIS, RFC 8265).

Different keyboards write the same letter as one character or as a letter and an accent, in half
or full width, and addresses in any case of letters. Only the mappings of the profiles are
applied: what they would refuse is accepted, since accounts with such names exist.
"""

import unicodedata

_WIDTHS = ("<wide>", "<narrow>")


def normal_email(email: str) -> str:
    """Return an address as the profile UsernameCaseMapped maps it.

    Lower case, not case folding: folding makes a long s, or a sharp s, into what is another
    account's address.
    """
    return unicodedata.normalize("NFC", "".join(map(_plain_width, email.strip())).lower())


def normal_password(password: str) -> str:
    """Return a password as the profile OpaqueString maps it."""
    spaced = "".join(" " if unicodedata.category(each) == "Zs" else each for each in password)
    return unicodedata.normalize("NFC", spaced)


def _plain_width(character: str) -> str:
    kind, _, code = unicodedata.decomposition(character).partition(" ")
    return chr(int(code, 16)) if kind in _WIDTHS else character
