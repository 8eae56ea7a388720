"""One host by Compose: from nothing to a tour, a back-up, a loss of everything, and back.

It runs where images are (`deploy/image/build`, `tests/deployment/images/build`) and takes minutes.
"""

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from tests.deployment.engine import engine
from tests.support.people import People, Person
from tests.support.waiting import until
from tests.support.yclient import YClient
from tools.stack.ports import choose_port

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]
COMPOSE = Path(__file__).parents[2] / "deploy/compose"
STAND_INS = {
    f"{name.upper()}_IMAGE": f"localhost/standin-{name}"
    for name in ("postgres", "nats", "storage", "caddy")
}
UP_S_MAX = 60.0


@dataclass(slots=True)
class Host:
    """One installation, in a folder of its own as on a host of its own."""

    folder: Path
    environment: dict[str, str]

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command of `deploy/compose`; returns what it said."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout
        return done.stdout

    @property
    def url(self) -> str:
        return f"https://localhost:{self.environment['HTTPS_PORT']}"

    def trust(self) -> Path:
        """Return the file of the certificate that Caddy signs with."""
        root = "/data/caddy/pki/authorities/local/root.crt"
        file = self.folder / "root.crt"
        file.write_text(self.run("docker", "compose", "exec", "-T", "caddy", "cat", root))
        return file


@pytest.fixture(scope="module")
def docker(tmp_path_factory: pytest.TempPathFactory) -> Generator[dict[str, str]]:
    with engine(tmp_path_factory.mktemp("engine")) as environment:
        images = subprocess.run(
            ["docker", "images", "--format", "{{.Repository}}"],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        wanted = {"localhost/scriptorium", "localhost/scriptorium-indexer", *STAND_INS.values()}
        if lacking := wanted - set(images):
            pytest.skip(f"build images first: {', '.join(sorted(lacking))}")
        yield environment


def host(folder: Path, docker: dict[str, str], backup: Path) -> Host:
    folder.mkdir()
    shutil.copytree(COMPOSE, folder / "compose", ignore=shutil.ignore_patterns("secrets*", ".env"))
    taken: set[int] = set()
    return Host(
        folder / "compose",
        docker
        | STAND_INS
        | {
            "COMPOSE_PROJECT_NAME": f"{folder.name}{os.getpid()}",
            "HTTP_PORT": str(choose_port(taken)),
            "HTTPS_PORT": str(choose_port(taken)),
            "BACKUP_DIR": str(backup),
        },
    )


@asynccontextmanager
async def people(at: Host, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[People]:
    """Clients that trust this host's certificate, and no other."""
    monkeypatch.setenv("SSL_CERT_FILE", str(await asyncio.to_thread(at.trust)))
    async with People(at.url) as found:
        yield found


@asynccontextmanager
async def login(at: Host, person: Person) -> AsyncGenerator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=at.url, timeout=30) as http:
        words = {"email": person.email, "password": person.password}
        told = (await http.post("/api/auth/login", json=words)).raise_for_status().json()
        http.headers["Authorization"] = f"Bearer {told['accessToken']}"
        yield http


async def found(http: httpx.AsyncClient, project: str, words: str) -> bool:
    answer = await http.get(f"/api/projects/{project}/search", params={"q": words})
    return answer.status_code == 200 and bool(answer.json()["items"])


async def test_a_host_comes_up_is_lost_and_comes_back(
    docker: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two editors over TLS, a file, search; then the databases as of a moment, on another host."""
    backup = tmp_path / "backup"
    first, second = (host(tmp_path / name, docker, backup) for name in ("one", "two"))
    try:
        began = time.monotonic()
        first.run("./start")
        assert time.monotonic() - began < UP_S_MAX
        async with people(first, monkeypatch) as there:
            ada = await there.join("Ada")
            project = await ada.project(editor="plain")
            scene = await ada.scene(project)
            socket = f"wss{first.url.removeprefix('https')}/collab/{scene}?token={ada.token}"
            async with YClient(lambda: socket, "a") as one, YClient(lambda: socket, "b") as other:
                one.type("A lighthouse keeper counts the ships. ")
                await other.until_reads("A lighthouse keeper counts the ships. ")
            file = (
                await ada.http.post(
                    f"/api/projects/{project}/blobs",
                    content=b"\x89PNG ships" * 1000,
                    headers={"Content-Type": "application/octet-stream"},
                )
            ).raise_for_status()
            digest: str = file.json()["sha256"]
            await until(lambda: found(ada.http, project, "somebody who watches vessels"), 30)
            first.run("./backup")
            await ada.ask(
                "PUT", f"/api/scenes/{scene}/content", format="text", content="After the back-up."
            )
            await asyncio.sleep(2)
            moment = datetime.now(UTC)
            await asyncio.sleep(2)
            await ada.ask(
                "PUT", f"/api/scenes/{scene}/content", format="text", content="A mistake."
            )
        first.run("docker", "compose", "stop", "gateway", "collab", "events")
        await asyncio.sleep(2)
        first.run("docker", "compose", "down", "--volumes")

        second.run("./restore", str(backup), f"{moment:%Y-%m-%d %H:%M:%S.%f+00}")
        monkeypatch.setenv("SSL_CERT_FILE", str(second.trust()))
        async with login(second, ada) as http:
            text = await http.get(f"/api/scenes/{scene}/content", params={"format": "text"})
            bytes_of = await http.get(f"/api/projects/{project}/blobs/{digest}")
            await until(lambda: found(http, project, "After the back-up"), 60)
        assert text.text == "After the back-up."
        assert bytes_of.content == b"\x89PNG ships" * 1000
    finally:
        for each in (first, second):
            each.run("docker", "compose", "down", "--volumes", "--remove-orphans", check=False)
