"""A release whose services are fakes, to test the launcher and the command line alone.

The fakes stand for the contract of a service process: environment in, /readyz out. What real
services do under this launcher is the matter of tests/system.
"""

from pathlib import Path

from tools.stack import services

FAKE_SERVICE = """
import http.server, json, os, threading

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        ours = {k: v for k, v in os.environ.items() if k.startswith("SCRIPTORIUM_")}
        body = json.dumps(ours).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass

def serve(port):
    http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Answer).serve_forever()

if port := os.environ.get("SCRIPTORIUM_PORT"):
    threading.Thread(target=serve, args=(port,), daemon=True).start()
print("serving", flush=True)
serve(os.environ["SCRIPTORIUM_OPS_PORT"])
"""


def make_release(folder: Path, **sources: str) -> Path:
    """Make a release of our libs and, by name, services of the given source; returns its root."""
    real = services.ROOT
    folder.mkdir()
    for name in ("libs", "tools", "pyproject.toml"):
        (folder / name).symlink_to(real / name)
    for service, source in sources.items():
        home = folder / "services" / service
        home.mkdir(parents=True)
        (home / "app.py").write_text(source)
    return folder
