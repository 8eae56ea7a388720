"""Settings that an operator gives to the services of one machine.

Each setting is an environment variable (docs/settings.md). The environment of `up` counts, except
for values that the stack decides itself. Settings for every start belong into `settings.env` in the
data directory, a line `NAME=value` each.
"""

import difflib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from tools.stack.errors import SettingsWrong

FILE = "settings.env"
PREFIX = "SCRIPTORIUM_"

DECIDED = frozenset(
    f"{PREFIX}{name}"
    for name in (
        *("REPLICA", "POSTGRES_URL", "POSTGRES_OWNER_URL", "NATS_URL", "OPS_HOST", "OPS_PORT"),
        *("LOG_FORMAT", "HOST", "PORT", "KEYS_DIR", "BLOBS_URL", "BYTES_HOST", "BYTES_PORT"),
        "BYTES_URL",
    )
)
"""By the stack: where its parts are and how they reach each other."""


def known() -> frozenset[str]:
    """Return the names of all settings that services have, as `tests.contracts.settings` lists."""
    listed = resources.files("tools.stack").joinpath("settings.txt").read_text("utf-8")
    return frozenset(listed.split())


def read(data_dir: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Return what services are to be told: the file's settings, and over them the environment's.

    The environment holds more than that; a line of the file that is no setting is a mistake.

    Raises:
        SettingsWrong: The file cannot be read, or has a line that is no setting.
    """
    names = known() - DECIDED
    given = {name: value for name, value in environment.items() if name in names}
    path = data_dir / FILE
    if not path.exists():
        return given
    from dotenv import dotenv_values  # noqa: PLC0415 (keep the launcher lean)

    try:
        lines = dotenv_values(path, interpolate=False)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsWrong(f"{path}: {error}") from error
    for name, value in lines.items():
        if name in DECIDED:
            raise SettingsWrong(f"{path}: {name} is not for you to set here; see scriptorium up -h")
        if name not in names or value is None:
            raise SettingsWrong(f"{path}: {_no_setting(name, names)}")
    return {name: value for name, value in lines.items() if value is not None} | given


def _no_setting(name: str, names: frozenset[str]) -> str:
    near = difflib.get_close_matches(name, sorted(names), n=1)
    advice = f"; do you mean {near[0]}?" if near else "; see docs/settings.md"
    return f"{name} is no setting{advice}"
