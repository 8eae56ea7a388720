"""docs/upkeep.md says what the code does: settings, commands, options, outcomes."""

from pathlib import Path

import pytest
import typer.main

from libs.contracts.collab.migration import MigrationOutcome
from libs.contracts.collab.persistence import SnapshotSource
from services.collab.settings import table
from tools.cli.operate.collab import collab
from tools.cli.operate.migrate import migrate

PAGE = (Path(__file__).parents[2] / "docs" / "upkeep.md").read_text()


def commands(app: typer.Typer) -> dict[str, set[str]]:
    """Each command of a group with its long options."""
    group = typer.main.get_group(app)
    return {
        name: {option for each in command.params for option in each.opts if option[:2] == "--"}
        for name, command in group.commands.items()
    }


def test_all_settings_are_there_with_their_defaults():
    """When this fails: python -m services.collab.settings, into docs/upkeep.md."""
    assert table() in PAGE


COMMON = {"--data-dir", "--nats-url"}


@pytest.mark.parametrize("name", commands(collab))
def test_each_command_is_there_with_its_options(name: str):
    row = next(line for line in PAGE.splitlines() if f"`scriptorium collab {name} " in line)

    assert [each for each in commands(collab)[name] - COMMON if each not in row] == []


def test_migration_is_described_in_full():
    options = commands(migrate)["rest-to-yjs"] - COMMON

    assert [each for each in options if f"`{each}" not in PAGE] == []
    assert [each for each in MigrationOutcome if f"\n| `{each}` |" not in PAGE] == []
    assert [each for each in SnapshotSource if f"`{each}`" not in PAGE] == []
