"""What an operator can set is written down, all of it, as the services have it."""

import pytest

from libs.process import ProcessSettings, allows_none
from tests.contracts import settings
from tools.stack.settings import known


def test_the_page_and_the_list_are_those_of_the_services() -> None:
    """`python -m tests.contracts.settings` writes both."""
    assert settings.DOCUMENT.read_text("utf-8") == settings.document()
    assert settings.NAMES.read_text("utf-8") == settings.names()


def test_what_the_stack_decides_is_a_setting_of_some_service() -> None:
    """Else somebody could set it without being told that it does nothing."""
    bytes_of_blobs = {"SCRIPTORIUM_BYTES_HOST"} - known()

    assert settings.DECIDED - bytes_of_blobs <= known()


@pytest.mark.parametrize("service", settings.SERVICES)
def test_what_may_be_none_is_none_when_it_is_empty(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An environment holds only texts; the page says "empty" of each of these."""
    model: type[ProcessSettings] = settings.SERVICES[service]
    needed = {
        "postgres_url": "postgresql://a:b@127.0.0.1:1/a",
        "nats_url": "nats://a:b@127.0.0.1:1",
        **dict.fromkeys(("ops_port", "port", "bytes_port"), "1"),
        **dict.fromkeys(("storage_url", "vectors_url"), "file:///tmp"),
        **dict.fromkeys(("keys_dir", "bytes_url"), "/tmp"),
    }
    optional = [name for name, field in model.model_fields.items() if allows_none(field)]
    for name in {*needed, *optional}:
        monkeypatch.setenv(f"{settings.PREFIX}{name.upper()}", needed.get(name, ""))

    found = model()  # pyright: ignore[reportCallIssue]  # filled from the environment

    assert optional
    assert {name: getattr(found, name) for name in optional} == dict.fromkeys(optional)
    page = settings.document()
    for name in optional:
        row = page[page.index(f"`{settings.PREFIX}{name.upper()}`") :].splitlines()[0]
        assert "mpty" in row
