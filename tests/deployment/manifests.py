"""The manifests of `deploy/kubernetes`, as kubectl renders them."""

import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.support.tools import tool

ROOT = Path(__file__).parents[2]
KUBERNETES = ROOT / "deploy/kubernetes"
BUILT = ("base", "examples/one-node", "examples/production")
"""Everything that can be applied."""
SERVICES = ("gateway", "collab", "events", "blobs", "indexer", "ai")

type Manifest = dict[str, Any]


@cache
def rendered(folder: str) -> str:
    """Return what `kubectl apply -k` would send."""
    done = subprocess.run(
        [tool("kubectl"), "kustomize", KUBERNETES / folder],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@cache
def manifests(folder: str) -> tuple[Manifest, ...]:
    """Return the objects of *folder*."""
    return tuple(yaml.load_all(rendered(folder), yaml.CSafeLoader))


def of_kind(folder: str, *kinds: str) -> Iterator[Manifest]:
    """Yield the objects of one of *kinds*."""
    return (each for each in manifests(folder) if each["kind"] in kinds)


def names(folder: str, *kinds: str) -> set[str]:
    """Return the names of the objects of *kinds*."""
    return {each["metadata"]["name"] for each in of_kind(folder, *kinds)}


def workloads(folder: str) -> list[Manifest]:
    """Return all that makes pods."""
    return list(of_kind(folder, "Deployment", "StatefulSet", "Job"))


def pod(workload: Manifest) -> Manifest:
    """Return the template of its pods."""
    return workload["spec"]["template"]


def containers(workload: Manifest) -> list[Manifest]:
    """Return its containers, those of the beginning first."""
    spec = pod(workload)["spec"]
    return [*spec.get("initContainers", []), *spec["containers"]]


def matches(selector: Manifest, labels: dict[str, str]) -> bool:
    """Return whether a selector of labels alone matches."""
    assert "matchExpressions" not in selector
    return selector.get("matchLabels", {}).items() <= labels.items()
