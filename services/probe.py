"""`python -m services.probe`: end with 0 if the service of this container is ready."""

import http.client
import os
import sys

WAIT_S = 4.0


def main() -> None:
    """Ask /readyz as a kubelet does; say what is wrong."""
    port = int(os.environ.get("SCRIPTORIUM_OPS_PORT", "9000"))
    asked = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
    try:
        asked.request("GET", "/readyz")
        answer = asked.getresponse()
        text = answer.read().decode()
    except OSError as error:
        sys.exit(f"port {port} does not answer: {error}")
    if answer.status != http.client.OK:
        sys.exit(text.strip())


if __name__ == "__main__":
    main()
