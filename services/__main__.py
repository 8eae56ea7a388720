"""`python -m services`: become the service that the variable SERVICE names, as the image does."""

import os
import sys
from pathlib import Path

ROOM = Path(__file__).parent


def main() -> None:
    """Replace this process by the service; no shell stands between it and its signals."""
    present = sorted(file.parent.name for file in ROOM.glob("*/app.py"))
    service = os.environ.get("SERVICE", "")
    if service not in present:
        sys.exit(f"SERVICE is {service!r}; set it to one of: {', '.join(present)}")
    os.execv(sys.executable, [sys.executable, "-m", f"services.{service}.app"])  # noqa: S606


if __name__ == "__main__":
    main()
