"""`python -m deploy.generate`: write the files of `deploy` that are made from others.

deploy/dashboards/*.json                                    from deploy/boards.py
deploy/kubernetes/components/monitoring/{rules,boards}.yaml from deploy/alerts and the boards
"""

import json
import sys
from pathlib import Path

from deploy.boards import BOARDS, grafana

HERE = Path(__file__).parent
MONITORING = HERE / "kubernetes/components/monitoring"
_MADE = "# Written by `python -m deploy.generate`.\n"


def generated() -> dict[Path, str]:
    """Return all files that are made from others, with their content."""
    found = {
        HERE / f"dashboards/{board.name}.json": json.dumps(grafana(board), indent=1) + "\n"
        for board in BOARDS
    }
    found[MONITORING / "boards.yaml"] = _config_map(
        {file.name: text for file, text in found.items()}
    )
    found[MONITORING / "rules.yaml"] = _MADE + "---\n".join(
        _rule(file) for file in sorted((HERE / "alerts").glob("*.yaml"))
    )
    return found


def _config_map(files: dict[str, str]) -> str:
    lines = [
        "# The sidecar of Grafana takes every ConfigMap with this label.",
        "apiVersion: v1",
        "kind: ConfigMap",
        "metadata:",
        "  name: scriptorium-boards",
        '  labels: {grafana_dashboard: "1"}',
        "data:",
    ]
    for name, text in sorted(files.items()):
        lines += [f"  {name}: |", *(f"    {line}" for line in text.splitlines())]
    return _MADE + "\n".join(lines) + "\n"


def _rule(file: Path) -> str:
    """Return the rules of a file as prometheus-operator takes them, word for word."""
    lines = [
        "apiVersion: monitoring.coreos.com/v1",
        "kind: PrometheusRule",
        "metadata:",
        f"  name: scriptorium-{file.stem}",
        "spec:",
        *(f"  {line}".rstrip() for line in file.read_text().splitlines()),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write them."""
    for file, text in generated().items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        sys.stdout.write(f"{file.relative_to(HERE.parent)}\n")


if __name__ == "__main__":
    main()
