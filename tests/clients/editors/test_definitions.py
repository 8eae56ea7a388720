"""The definitions that the server brings along are those of the editors that are installed."""

import subprocess
from pathlib import Path


def test_they_are_what_the_script_writes() -> None:
    """After an upgrade: node tests/clients/editors/schema.mjs."""
    script = Path(__file__).parent / "schema.mjs"
    found = subprocess.run(
        ["node", str(script), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
