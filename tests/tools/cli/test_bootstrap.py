"""`bin/bootstrap` on a machine without uv: fetched from a package index, checked, unpacked."""

import hashlib
import http.server
import io
import json
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.stack.services import ROOT

WHEEL = "uv-9.9.9-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
OTHERS = (
    "uv-9.9.10-py3-none-win_amd64.whl",
    "uv-10.0.0rc1-py3-none-manylinux_2_17_x86_64.whl",
    "uv-9.9.8-py3-none-manylinux_2_17_x86_64.whl",
    "uv-9.9.9.tar.gz",
)

FIND_UV = """
import importlib.machinery, importlib.util, pathlib, platform, sys
sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("bootstrap", sys.argv[1])
bootstrap = importlib.util.module_from_spec(importlib.util.spec_from_loader("bootstrap", loader))
loader.exec_module(bootstrap)
bootstrap.TOOLS = pathlib.Path(sys.argv[2])
bootstrap.uv_by_pip = lambda: None
platform.machine = lambda: "x86_64"
platform.libc_ver = lambda: ("glibc", "2.36")
try:
    print(bootstrap.answer(bootstrap.find_uv(), "--version"))
except bootstrap.CannotBootstrap as error:
    sys.exit(str(error))
"""


class Index:
    """A package index with one wheel; `json` and `digest` say what its page looks like."""

    def __init__(self) -> None:
        """Make the wheel: its program is a shell script that knows its version."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as wheel:
            wheel.writestr("uv-9.9.9.data/scripts/uv", "#!/bin/sh\necho uv 9.9.9\n")
        self.wheel = buffer.getvalue()
        self.digest = hashlib.sha256(self.wheel).hexdigest()
        self.json = True

    def page(self) -> tuple[str, bytes]:
        """The page of the project uv: content type and body."""
        names = (*OTHERS, WHEEL)
        if self.json:
            files = [{"url": n, "hashes": {"sha256": self.digest}} for n in names]
            return "application/vnd.pypi.simple.v1+json", json.dumps({"files": files}).encode()
        links = "".join(f'<a href="{n}#sha256={self.digest}">{n}</a>' for n in names)
        return "text/html", links.encode()


@pytest.fixture
def index() -> Iterator[tuple[Index, str]]:
    """The index and its address."""
    ours = Index()

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_wheel = self.path.endswith(WHEEL)
            kind, body = ("application/zip", ours.wheel) if is_wheel else ours.page()
            self.send_response(200 if self.path in ("/uv/", f"/uv/{WHEEL}") else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """A test needs no access log."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield ours, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


def find_uv(tools: Path, index_url: str) -> subprocess.CompletedProcess[str]:
    """Let bootstrap find uv where PATH has none that works, as a pyenv shim."""
    shims = tools.parent / "shims"
    shims.mkdir(exist_ok=True)
    (shims / "uv").write_text("#!/bin/sh\nexit 127\n")
    (shims / "uv").chmod(0o755)
    return subprocess.run(
        [sys.executable, "-c", FIND_UV, str(ROOT / "bin" / "bootstrap"), str(tools)],
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("UV_")},
            "PATH": f"{shims}:/usr/bin:/bin",
            "PIP_INDEX_URL": index_url,
            "no_proxy": "127.0.0.1",
        },
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("as_json", [True, False])
def test_newest_wheel_for_this_machine_is_fetched_once(
    index: tuple[Index, str], tmp_path: Path, as_json: bool
):
    """No pip, no venv, no root: the standard library is enough; the next run is quiet."""
    index[0].json = as_json
    first = find_uv(tmp_path / "tools", index[1])
    second = find_uv(tmp_path / "tools", "http://127.0.0.1:9")

    assert first.stdout.splitlines()[-1] == "uv 9.9.9", first.stderr
    assert second.stdout == "uv 9.9.9\n"


def test_wheel_that_was_tampered_with_is_refused(index: tuple[Index, str], tmp_path: Path):
    """What does not have the promised digest is never unpacked."""
    index[0].wheel += b"."
    done = find_uv(tmp_path / "tools", index[1])

    assert done.returncode == 1
    assert "does not have the SHA-256 that the index promises" in done.stderr
    assert not (tmp_path / "tools").exists()
