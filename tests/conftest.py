"""Which tests share a process when several processes run them."""

from collections import Counter
from pathlib import Path

import pytest

SHARDS = {"clients": 2, "events": 2, "gateway": 3}
"""Folders with too many tests for one process, and among how many they are dealt."""
FIRST = ("clients", "gateway", "blobs", "system", "events")
"""Folders that take minutes: whoever came to one last would keep all others waiting."""


@pytest.hookimpl(tryfirst=True)  # those who distribute them read the groups in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a folder together: they share a running system, which ends with them."""
    here = Path(__file__).parent
    seen: Counter[str] = Counter()
    groups: dict[Path, str] = {}
    for item in items:
        if item.path not in groups:
            folder = item.path.parent.relative_to(here).as_posix()
            shard = seen[folder] % SHARDS.get(folder, 1)
            groups[item.path] = f"{folder}-{shard}" if folder in SHARDS else folder
            seen[folder] += 1
        item.add_marker(pytest.mark.xdist_group(groups[item.path]))
    items.sort(key=lambda item: _turn(item.path.relative_to(here).parts[0]))


def _turn(folder: str) -> int:
    return FIRST.index(folder) if folder in FIRST else len(FIRST)
