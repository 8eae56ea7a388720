"""`python -m tools.observe PORT NAME=PORT ...`: a page of figures of the processes on those ports.

It looks at them every LOOK_S and compares with WINDOW_S ago. It listens on the loopback alone, as
the listeners that it reads do.
"""

import html
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tools.observe.figures import Figure, Samples, Window, figures, samples

LOOK_S = 5.0
WINDOW_S = 60.0
ASK_S = 3.0
LOOPBACK = "127.0.0.1"

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="5">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>Is anybody hurt?</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem;
  color: CanvasText; background: Canvas; color-scheme: light dark; }}
td {{ padding: .3rem 1rem .3rem 0; border-bottom: 1px solid GrayText; vertical-align: top; }}
td:nth-child(2) {{ text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }}
.bad {{ color: #c0262d; font-weight: 600; }} .soft {{ color: GrayText; }}
</style></head><body><h1>{title}</h1><table>{rows}</table>
<p class="soft">Of the last {window:.0f} s, from {processes}. Boards, alerts and what to do are in
docs/operations/observing.md and docs/runbooks.</p></body></html>
"""


class Observer:
    """Looks at the processes, and remembers for the length of the window."""

    def __init__(self, ports: Mapping[str, int]) -> None:
        """Look at the processes of *ports*, by name."""
        self._ports = ports
        self._looks: deque[tuple[float, dict[str, Samples]]] = deque()

    def look(self) -> None:
        """Read what the processes export now; one that does not answer is left out."""
        found = {name: _read(port) for name, port in self._ports.items()}
        now = time.monotonic()
        self._looks.append((now, {name: each for name, each in found.items() if each}))
        while len(self._looks) > 2 and self._looks[1][0] < now - WINDOW_S:
            self._looks.popleft()

    def page(self) -> str:
        """Return the page as things are at the last look."""
        (began, before), (ended, now) = self._looks[0], self._looks[-1]
        missing = sorted(self._ports.keys() - now.keys())
        found = list(figures(Window(before, now, ended - began)))
        hurt = bool(missing) or any(each.is_bad for each in found)
        return _PAGE.format(
            title="Somebody may be hurt" if hurt else "Nobody is hurt",
            rows="".join(_rows(found, missing)),
            window=ended - began,
            processes=", ".join(sorted(now)) or "nobody",
        )

    def run(self) -> None:
        """Look again and again."""
        while True:
            time.sleep(LOOK_S)
            self.look()


def _rows(found: Iterable[Figure], missing: Iterable[str]) -> Iterable[str]:
    for name in missing:
        yield f'<tr><td>{html.escape(name)}</td><td class="bad">does not answer</td><td></td></tr>'
    for each in found:
        mark = ' class="bad"' if each.is_bad else ""
        yield (
            f"<tr><td>{html.escape(each.title)}</td><td{mark}>{html.escape(each.shown)}</td>"
            f'<td class="soft">{html.escape(each.about)}</td></tr>\n'
        )


def _read(port: int) -> Samples:
    asked = HTTPConnection(LOOPBACK, port, timeout=ASK_S)
    try:
        asked.request("GET", "/metrics")
        return samples(asked.getresponse().read().decode())
    except (OSError, HTTPException, ValueError):
        return {}
    finally:
        asked.close()


def serve(port: int, observer: Observer) -> ThreadingHTTPServer:
    """Return a server of the page on *port* of the loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = "ok\n" if self.path == "/readyz" else observer.page()
            kind = "text/plain" if self.path == "/readyz" else "text/html; charset=utf-8"
            body = text.encode()
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """A page that reloads itself is not worth a line."""

    return ThreadingHTTPServer((LOOPBACK, port), Handler)


def main() -> None:
    """Serve until killed."""
    port, *named = sys.argv[1:]
    ports = {name: int(number) for name, _, number in (each.partition("=") for each in named)}
    observer = Observer(ports)
    observer.look()
    threading.Thread(target=observer.run, name="look", daemon=True).start()
    serve(int(port), observer).serve_forever()


if __name__ == "__main__":
    main()
