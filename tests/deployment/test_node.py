"""The real manifests, played here: in the wrong order, under a default deny, as a tour."""

import subprocess
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import pytest
import yaml

from deploy.secrets import SERVICES, kubernetes
from tests.deployment.engine import engine
from tests.deployment.manifests import ROOT
from tests.deployment.node import SERVER_PORTS, Node
from tests.support.people import People
from tests.support.tools import tool
from tests.support.waiting import until
from tests.support.yclient import YClient

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
LOCAL = ROOT / "tests/deployment/local"
POSTGRES, STORAGE = "localhost/standin-postgres", "localhost/standin-storage"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Generator[Node]:
    folder = tmp_path_factory.mktemp("node")
    built = subprocess.run(
        [tool("kubectl"), "kustomize", LOCAL], capture_output=True, text=True, check=True
    )
    with engine(folder) as environment:
        found = Node(
            folder,
            environment,
            tuple(yaml.safe_load_all(built.stdout)),
            _secrets(),
            f"node{folder.name[-4:].strip('-')}x",
        )
        images = found.docker("images", "--format", "{{.Repository}}").split()
        if lacking := {"localhost/scriptorium", POSTGRES, STORAGE} - set(images):
            pytest.skip(f"build images first: {', '.join(sorted(lacking))}")
        found.end()
        found.begin()
        try:
            _start(found)
            yield found
        finally:
            found.end()


def _secrets() -> dict[str, dict[str, str]]:
    """The Secrets that an operator applies, but without TLS, and with keys of the storage."""
    text = kubernetes(1).replace("?sslmode=require", "")
    # Only for the storage of this machine.
    text = text.replace("set this to the credentials of the object storage", "local")
    return {each["metadata"]["name"]: each["stringData"] for each in yaml.safe_load_all(text)}


def _start(node: Node) -> None:
    """Everything in the wrong order: pods first, then Jobs, and the servers at the end."""
    with ThreadPoolExecutor(2 * len(SERVICES) + 2) as pool:
        pods = [pool.submit(node.play, "Deployment", service) for service in SERVICES]
        jobs = [pool.submit(node.finish, f"migrate-{service}") for service in SERVICES]
        jobs.append(pool.submit(node.finish, "declare"))
        assert not any(each.done() for each in pods)
        node.play("StatefulSet", "nats")
        _servers(node)
        for each in (*jobs, *pods):
            each.result()
    node.wait_ready(SERVICES)


def _servers(node: Node) -> None:
    """PostgreSQL as the operator sets it up from the Secrets, and an object storage."""
    lines: list[str] = []
    for service in SERVICES:
        for secret in (f"scriptorium-{service}-owner", f"scriptorium-{service}"):
            known = node.secrets[secret]
            lines.append(f"CREATE ROLE {known['username']} LOGIN PASSWORD '{known['password']}';")
        lines.append(f"CREATE DATABASE {service} OWNER {service}_owner;")
    (node.folder / "roles.sql").write_text("\n".join(lines))
    node.serve(
        "postgres",
        "postgres-rw",
        {"cnpg.io/cluster": "postgres"},
        *("-e", "POSTGRES_PASSWORD=local", "-e", "PGPASSWORD=local"),
        *("-e", "PGDATA=/var/lib/postgresql/x"),
        *("-v", f"{node.folder}/roles.sql:/docker-entrypoint-initdb.d/roles.sql:ro"),
        *(POSTGRES, "postgres", "-c", "max_connections=200"),
    )
    keys = (
        '{"identities":[{"name":"x","credentials":[{"accessKey":"local","secretKey":"local"}],'
        '"actions":["Admin","Read","Write","List","Tagging"]}]}'
    )
    (node.folder / "s3.json").write_text(keys)
    node.serve(
        "storage",
        "storage",
        {"app.kubernetes.io/name": "storage"},
        *("-v", f"{node.folder}/s3.json:/s3.json:ro", STORAGE, "server", "-dir=/tmp", "-s3"),
        *("-s3.config=/s3.json", "-ip=127.0.0.1", "-ip.bind=0.0.0.0", "-volume.max=8"),
    )


async def test_a_tour_with_a_default_deny(node: Node) -> None:
    """Register, two editors, a file, and search, while nobody may talk to anybody else."""
    node.enforce()
    gateway = node.pods["gateway"].address
    async with People(f"http://{gateway}:8080") as people:
        ada = await people.join("Ada")
        project = await ada.project(editor="plain")
        scene = await ada.scene(project)
        socket = f"ws://{gateway}:8080/collab/{scene}?token={ada.token}"
        async with YClient(lambda: socket) as one, YClient(lambda: socket) as other:
            one.type("The storm took the mast. ")
            await other.until_reads("The storm took the mast. ")
        blobs = f"/api/projects/{project}/blobs"
        sent = (await ada.http.post(blobs, content=b"a chart" * 1000)).raise_for_status()
        back = await ada.http.get(f"{blobs}/{sent.json()['sha256']}")
        assert back.content == b"a chart" * 1000

        async def found() -> bool:
            answer = await ada.http.get(
                f"/api/projects/{project}/search", params={"q": "a tempest damaged the vessel"}
            )
            return answer.status_code == 200 and bool(answer.json()["items"])

        await until(found, 30)
    assert all(node.is_ready(node.pods[service]) for service in SERVICES)


def test_every_pair_connects_if_and_only_if_a_policy_says_so(node: Node) -> None:
    """What is forbidden is tried, and what is allowed, too."""
    node.enforce()
    tried = {True: 0, False: 0}
    for source, target in product(SERVICES, node.pods):
        if source == target:
            continue
        one, other = node.pods[source], node.pods[target]
        for port in sorted({*other.ports.values(), *SERVER_PORTS.get(target, ())}):
            wanted = node.allowed(one, other, port)
            assert node.connects(one, other, port) == wanted, (source, target, port)
            tried[wanted] += 1
    assert tried[True] == 2 * len(SERVICES) + 2, "all to NATS and PostgreSQL, and two more"
    assert tried[False] > 30


def test_each_pod_is_what_its_context_says(node: Node) -> None:
    """Nobody in particular, without a capability, who cannot write where it is not meant to."""
    look = "import os; print(os.getuid(), [l for l in open('/proc/self/status') if 'CapEff' in l])"
    write = "open('/app/x', 'w')"
    for service in SERVICES:
        run = ("exec", node.pods[service].container, "/app/.venv/bin/python", "-c")
        assert node.docker(*run, look) == "10001 ['CapEff:\\t0000000000000000\\n']"
        assert "Read-only file system" in node.docker(*run, write, check=False)


def test_waiting_pods_said_what_they_waited_for(node: Node) -> None:
    """They began before there was a database."""
    said = Path(node.folder / "events-wait-for-migrations.log").read_text()
    assert "waiting for migrations" in said
