"""What an operator can set is written down, all of it, as the services have it."""

from libs.stack.settings import known
from tests.contracts import settings


def test_the_page_and_the_list_are_those_of_the_services() -> None:
    """`python -m tests.contracts.settings` writes both."""
    assert settings.DOCUMENT.read_text("utf-8") == settings.document()
    assert settings.NAMES.read_text("utf-8") == settings.names()


def test_what_the_stack_decides_is_a_setting_of_some_service() -> None:
    """Else somebody could set it without being told that it does nothing."""
    bytes_of_blobs = {"SCRIPTORIUM_BYTES_HOST"} - known()

    assert settings.DECIDED - bytes_of_blobs <= known()
