"""Starting a child process that never outlives its launcher, even when that is killed.

PR_SET_PDEATHSIG (Linux) signals the child when the *thread* that started it ends, so children
are started from the main thread. Elsewhere the next start ends what was left; see runfile.
"""

import asyncio
import ctypes
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Any

from tools.stack.errors import StackError

NOBODY = 65534
_PR_SET_PDEATHSIG = 1
_PR_SET_SECUREBITS = 28
_SECBIT_NO_SETUID_FIXUP = 4
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAPABILITY_VERSION_3 = 0x20080522
_POWERS = (1, 2)
"""CAP_DAC_OVERRIDE, which containers usually leave, and CAP_DAC_READ_SEARCH."""
_LIBC = ctypes.CDLL(None)


class Identity(Enum):
    """As whom a child runs. PostgreSQL refuses to run as root."""

    OWN = "own"
    NAMESPACE = "namespace"
    """As uid 1 of a namespace whose uid 1 is our root: no other user, no chown, no chmod."""
    NOBODY = "nobody"
    """For containers that forbid user namespaces. It may look into folders as root may, where root
    itself may: a checkout in /root is closed to everybody else."""


def _prepare(death_signal: int, identity: Identity) -> Callable[[], None]:
    launcher = os.getpid()

    def in_child() -> None:
        if identity is Identity.NAMESPACE:
            group = os.getegid()
            os.unshare(os.CLONE_NEWUSER)
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/gid_map").write_text(f"1 {group} 1")
            Path("/proc/self/uid_map").write_text("1 0 1")
        if identity is Identity.NOBODY:
            _become_nobody()
        if sys.platform == "linux":
            # After any change of user: the kernel clears the setting when that changes.
            _LIBC.prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        if os.getppid() != launcher:
            os._exit(1)  # it died before the line above

    return in_child


def arguments(identity: Identity, death_signal: int = signal.SIGKILL) -> dict[str, Any]:
    """Keyword arguments for `Popen` and its relatives."""
    return {
        "stdin": subprocess.DEVNULL,
        "preexec_fn": _prepare(death_signal, identity),
        # Ctrl-C reaches a whole process group; parts must end in order, by us.
        "start_new_session": True,
    }


def _become_nobody() -> None:
    """Change the user, and keep only root's power to pass through closed folders.

    A change of user takes all powers away, and access(2), which PostgreSQL asks about its own
    program, heeds none of another user than root: unless the secure bit is set. The start of a
    program takes away those that are not ambient. A power that a container denies is not kept.
    """
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    _LIBC.prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP, 0, 0, 0)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; and the upper 32 of each
    _LIBC.capget(header, sets)
    kept = sets[1] & sum(1 << power for power in _POWERS)
    _LIBC.capset(header, (ctypes.c_uint32 * 6)(kept, kept, kept, 0, 0, 0))
    for power in _POWERS:
        _LIBC.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, power, 0, 0)


async def spawn(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    cwd: Path,
    log: Path,
    identity: Identity = Identity.OWN,
    death_signal: int = signal.SIGKILL,
) -> asyncio.subprocess.Process:
    """Start *command* with its output appended to *log*.

    Raises:
        OSError: It could not be started.
    """
    with log.open("ab") as output:
        return await asyncio.create_subprocess_exec(
            *command,
            env=dict(environment),
            cwd=cwd,
            stdout=output,
            stderr=output,
            **arguments(identity, death_signal),
        )


def identity_for(data: Path, trial: Sequence[str]) -> Identity:
    """As whom to run PostgreSQL on *data*; *trial* is a command that only has to succeed.

    Raises:
        StackError: Only root may run it here.
    """
    if os.geteuid() != 0:
        return Identity.OWN
    if data.exists():
        return Identity.NOBODY if data.stat().st_uid == NOBODY else Identity.NAMESPACE
    for identity in (Identity.NAMESPACE, Identity.NOBODY):
        with suppress(OSError, subprocess.SubprocessError):
            subprocess.run(
                trial,
                check=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                **arguments(identity),
            )
            return identity
    raise StackError(
        f"PostgreSQL does not run as root, and no other user may run {trial[0]} here; "
        "start as another user, or move this folder to a place that all users may read"
    )


def give_to_nobody(folder: Path, within: Path) -> None:
    """Hand an empty *folder* to nobody, who must be able to walk through *within* to it."""
    shutil.chown(folder, NOBODY, NOBODY)
    within.chmod(0o711)


def signal_tree(pid: int, number: int) -> None:
    """Signal a process and all its descendants; those already gone are left in peace.

    Descendants are signalled too because a part stands for a container, which lives and dies
    as a whole.
    """
    import psutil  # noqa: PLC0415 (only faults and emergencies need it: keep the launcher lean)

    try:
        parent = psutil.Process(pid)
        family = [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for process in family:
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            continue
