"""What an operator sets reaches the services, and a slip is told."""

from pathlib import Path

import pytest

from tools.stack import settings
from tools.stack.errors import SettingsWrong

KEPT = "SCRIPTORIUM_EVENTS_KEPT_DAYS"
BUCKET = "SCRIPTORIUM_STORAGE_URL"


def test_the_environment_wins_over_the_file(tmp_path: Path):
    """What is decided by the stack, or is for the command line, is not passed on."""
    (tmp_path / settings.FILE).write_text(f"# ours\n{KEPT}=400\n{BUCKET}='s3://a?b=$C'\n")
    environment = {
        KEPT: "90",
        "SCRIPTORIUM_NATS_URL": "nats://elsewhere",
        "SCRIPTORIUM_TOKEN": "secret",
        "HOME": "/root",
    }

    assert settings.read(tmp_path, environment) == {KEPT: "90", BUCKET: "s3://a?b=$C"}
    assert settings.read(tmp_path / "none", environment) == {KEPT: "90"}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("SCRIPTORIUM_EVENTS_KEPT_DAY=90", f"is no setting; do you mean {KEPT}?"),
        ("KEPT=90", "KEPT is no setting; see docs/settings.md"),
        (KEPT, f"{KEPT} is no setting"),
        ("SCRIPTORIUM_NATS_URL=nats://x", "not for you to set"),
    ],
)
def test_a_line_that_is_no_setting(line: str, told: str, tmp_path: Path):
    (tmp_path / settings.FILE).write_text(line)

    with pytest.raises(SettingsWrong) as wrong:
        settings.read(tmp_path, {})

    assert told in str(wrong.value)
    assert str(tmp_path / settings.FILE) in str(wrong.value)


def test_a_file_that_is_no_text(tmp_path: Path):
    (tmp_path / settings.FILE).write_bytes(b"\xff\xfe")

    with pytest.raises(SettingsWrong, match=r"settings\.env"):
        settings.read(tmp_path, {})
