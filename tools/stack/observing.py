"""The page of figures, and Prometheus where it is installed: parts of a stack with `observe`."""

import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from tools.stack.directory import Directory
from tools.stack.part import Spec
from tools.stack.ports import LOOPBACK
from tools.stack.probe import http_ok
from tools.stack.services import ROOT

FIGURES = "figures"
PROMETHEUS = "prometheus"
SCRAPE_S = 5
RETENTION = "7d"


def parts(
    directory: Directory, ops_ports: Mapping[str, int], environment: Mapping[str, str]
) -> Iterator[Spec]:
    """Yield what observes the services whose listeners are on *ops_ports*, by name."""
    yield _figures(directory, ops_ports, environment)
    if program := shutil.which("prometheus"):
        yield _prometheus(directory, program, ops_ports, environment)


def _figures(
    directory: Directory, ops_ports: Mapping[str, int], environment: Mapping[str, str]
) -> Spec:
    port = directory.port(FIGURES)
    named = (f"{name}={number}" for name, number in ops_ports.items())
    return Spec(
        name=FIGURES,
        command=(sys.executable, "-P", "-m", "tools.observe", str(port), *named),
        environment=environment,
        cwd=ROOT,
        log=directory.log(FIGURES),
        port=port,
        ready=lambda: http_ok(port, "/readyz"),
    )


def _prometheus(
    directory: Directory,
    program: str,
    ops_ports: Mapping[str, int],
    environment: Mapping[str, str],
) -> Spec:
    port, folder = directory.port(PROMETHEUS), directory.path / PROMETHEUS
    folder.mkdir(exist_ok=True, mode=0o700)
    jobs: dict[str, list[str]] = {}
    for name, number in ops_ports.items():
        jobs.setdefault(name.rsplit("-", 1)[0], []).append(f"{LOOPBACK}:{number}")
    configuration = {
        "global": {"scrape_interval": f"{SCRAPE_S}s", "evaluation_interval": f"{SCRAPE_S}s"},
        "rule_files": [str(file) for file in sorted(Path(ROOT / "deploy/alerts").glob("*.yaml"))],
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": targets}]}
            for job, targets in jobs.items()
        ],
    }
    # JSON is YAML.
    (folder / "prometheus.yml").write_text(json.dumps(configuration, indent=1), encoding="utf-8")
    return Spec(
        name=PROMETHEUS,
        command=(
            program,
            f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/data",
            f"--storage.tsdb.retention.time={RETENTION}",
            f"--web.listen-address={LOOPBACK}:{port}",
        ),
        environment=environment,
        cwd=Path("/"),
        log=directory.log(PROMETHEUS),
        port=port,
        ready=lambda: http_ok(port, "/-/ready"),
    )
