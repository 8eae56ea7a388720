"""The process behind `scriptorium up`: a stack, its progress, and a clean stop.

`python -m tools.cli.foreground '{"data_dir": ..., "port": ..., "replicas": ..., ...}'`: the
arguments of `Stack` as JSON. It imports neither typer nor rich.
"""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from tools.cli.say import complain, say
from tools.stack import Event, Stack, StackError, What, settings

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> None:
    """Run until a signal; a stack that cannot run is one line on stderr and exit code 1."""
    order = json.loads(sys.argv[1])
    archive, data_dir = order.pop("archive", None), Path(order.pop("data_dir"))
    try:
        stack = Stack(
            data_dir,
            archive=archive and Path(archive),
            environment=settings.read(data_dir, os.environ),
            tell=_tell,
            **order,
        )
        asyncio.run(_serve(stack))
    except StackError as error:
        complain(error)
        sys.exit(1)


async def _serve(stack: Stack) -> None:
    asked = asyncio.Event()

    def stop() -> None:
        if asked.is_set():
            # A second signal asks for haste. Everything acknowledged is on disk.
            for part in stack.parts:
                stack.kill(part)
        asked.set()

    loop = asyncio.get_running_loop()
    for number in _STOP_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup asks for
            loop.add_signal_handler(number, stop)
    until_asked = asyncio.create_task(asked.wait())
    starting = asyncio.create_task(stack.start())
    await asyncio.wait((starting, until_asked), return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        await asyncio.wait((starting,))
        return
    starting.result()
    for address in stack.gateways[1:]:
        say(f"also  {address}")
    for name, address in stack.observers.items():
        say(f"{name:<12} {address}")
    say(f"ready {stack.url}" if stack.gateways else "ready")
    await until_asked
    say("stopping")
    await stack.stop()


def _tell(event: Event) -> None:
    match event.what:
        case What.READY:
            say(f"{event.part:<12} ready    {event.seconds or 0:6.2f} s")
        case What.RESTARTED:
            say(f"{event.part:<12} is back  {event.seconds or 0:6.2f} s")
        case What.DIED if event.seconds is not None:
            say(f"{event.part:<12} {event.detail}; starting it again in {event.seconds:.1f} s")
        case What.DIED:
            say(f"{event.part:<12} {event.detail}")
        case What.UNREADY:
            late = f" after {event.seconds:.0f} s" if event.seconds else ""
            say(f"{event.part:<12} is still not ready{late} {event.detail}".rstrip())
        case What.SICK:
            say(f"{event.part:<12} is sick: {event.detail}; restarting it")
        case What.MENDED:
            say(f"{event.part:<12} {event.detail}")
        case What.STOPPED:
            say(f"{event.part:<12} stopped  {event.seconds or 0:6.2f} s")


if __name__ == "__main__":
    main()
