"""What may be a name: whatever people have, and nothing that breaks or deceives."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from libs import errors
from libs.contracts import names
from libs.contracts.events.bundles import Label
from libs.contracts.events.files import FilePath
from libs.contracts.values import KnownName, Name
from services.blobs.model.paths import require_file_name, require_path, require_prefix

GOOD = [
    "\U0001f469\u200d\U0001f4bb.png",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467.jpg",
    "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645.pdf",
    "\u0915\u094d\u200d\u0937.txt",
    "\U0001fae9.png",
    "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f.png",
    "Do\u00adnau.txt",
    "\u05e9\u05dc\u05d5\u05dd\u200f (1).txt",
    'the \u201clast\u201d "draft".txt',
    "\uf8ff.txt",
]
BAD = [
    *(f"a{chr(each)}b" for each in (0, 1, 9, 10, 13, 0x1B, 0x1F, 0x7F, 0x80, 0x85, 0x9F)),
    *(
        f"a{chr(each)}b"
        for each in (0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
    ),
]
NAMES = [TypeAdapter(each) for each in (Name, Label, FilePath)]


@pytest.mark.parametrize("name", GOOD, ids=ascii)
def test_names_that_people_have_are_names_everywhere(name: str):
    for adapter in NAMES:
        assert adapter.validate_python(name) == name
    require_file_name(name)
    require_path(f"project/art/{name}")
    require_prefix(f"project/art/{name}")
    assert names.cleaned(name) == name


@pytest.mark.parametrize("name", BAD, ids=ascii)
def test_names_that_break_or_deceive_are_none_anywhere(name: str):
    for adapter in NAMES:
        with pytest.raises(ValidationError):
            adapter.validate_python(name)
    for refuse in (require_file_name, require_prefix):
        with pytest.raises(errors.Invalid):
            refuse(name)
    with pytest.raises(errors.Invalid):
        require_path(f"project/{name}")
    assert names.cleaned(name) == "ab"


@pytest.mark.parametrize("name", ["a/b", "a\\b", "..", "."])
def test_the_name_of_a_file_names_no_folder(name: str):
    with pytest.raises(errors.Invalid):
        require_file_name(name)


@given(st.text(min_size=1, max_size=20))
def test_one_rule_in_two_languages(name: str):
    """What the pattern says in the contract is what the function says."""
    plain = name.strip() or "x"
    try:
        TypeAdapter(FilePath).validate_python(plain)
    except ValidationError:
        assert not names.is_allowed(plain)
    else:
        assert names.is_allowed(plain)


def test_older_names_can_be_shown_and_copied():
    assert TypeAdapter(KnownName).validate_python("a\u202eb") == "a\u202eb"
