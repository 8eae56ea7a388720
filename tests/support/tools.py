"""Programs of operators that tests run: promtool, kubectl, a container engine.

`.ci/run` installs them. On a machine without one, what needs it is skipped and says so, unless
SCRIPTORIUM_TEST_TOOLS is `required`, as it is in CI.
"""

import os
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FETCHED = ROOT / ".tools/operate/bin"
"""Where `deploy/tools` puts what package managers do not have."""


def tool(name: str) -> str:
    """Return where the program is; skip the test, or fail it in CI, when it is nowhere."""
    places = [str(FETCHED), str(Path(sys.executable).parent), os.environ["PATH"]]
    found = shutil.which(name, path=os.pathsep.join(places))
    if found:
        return found
    reason = f"{name} is not installed; see docs/operations/testing.md"
    if os.environ.get("SCRIPTORIUM_TEST_TOOLS") == "required":
        pytest.fail(reason)
    pytest.skip(reason)
