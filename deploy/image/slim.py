"""Remove from a virtual environment what no service reads: `python slim.py .venv`.

Descriptions of the services of Amazon that are no storage, and tests of libraries.
"""

import shutil
import sys
from pathlib import Path

STORAGE = {"s3", "sts", "sso", "sso-oidc", "signin"}
"""Services whose descriptions botocore needs for a bucket and for its credentials."""


def main(venv: Path) -> None:
    """Remove it, and say how much it was."""
    gone = 0
    for packages in venv.glob("lib/python*/site-packages"):
        for folder in (packages / "botocore/data").glob("*/"):
            if folder.is_dir() and folder.name not in STORAGE:
                gone += _remove(folder)
        for folder in packages.glob("*/**/tests/"):
            if folder.is_dir():
                gone += _remove(folder)
    sys.stdout.write(f"removed {gone / 1e6:.0f} MB\n")


def _remove(folder: Path) -> int:
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    shutil.rmtree(folder)
    return size


if __name__ == "__main__":
    main(Path(sys.argv[1]))
