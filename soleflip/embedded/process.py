"""What both servers share: a process that outlives its starter, a private folder, and how a failure is told."""

import contextlib
import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

START_SECONDS = 120  # recovery after a power cut replays what was written since the last checkpoint
STOP_SECONDS = 60


class CannotStart(RuntimeError):
    """An embedded server did not start or stop; the text holds its last log lines and what to do."""


def spawn(command: Sequence[str], log: Path, prefix: Sequence[str] = ()) -> psutil.Process | None:
    """Start a server in a session of its own, so that Ctrl-C does not reach it; None when it ended at once.

    The shell between us leaves it to the system: whoever started it may end before it. `prefix` changes the user
    before the log is opened.
    """
    background = '(exec "$@") >>"$0" 2>&1 </dev/null & echo $!'
    done = subprocess.run(
        [*prefix, "/bin/sh", "-c", background, str(log), *command],
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        cwd="/",
        env={"PATH": os.defpath, "LC_ALL": "C"},
    )
    try:
        return psutil.Process(int(done.stdout))
    except ValueError:
        raise CannotStart(f"{command[0]} cannot be run: {done.stdout}") from None
    except psutil.NoSuchProcess:
        return None


def is_alive(process: psutil.Process | None) -> bool:
    """Does it still run? One that ended and was not yet collected does not."""
    try:
        return process is not None and process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def ends_within(process: psutil.Process, seconds: float) -> bool:
    """Wait for the end of a process that need not be our child."""
    deadline = time.monotonic() + seconds
    while is_alive(process):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def become(user: int, *paths: Path) -> Sequence[str]:
    """The command prefix that runs a program as that user instead of root, with access to the paths.

    Below a folder closed to others, such as /root, the program keeps root's right to enter folders: opening the
    folder to everybody is not ours to do.
    """
    group = pwd.getpwuid(user).pw_gid
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise CannotStart(
            "`setpriv` (util-linux), which runs a server as another user than root, is not installed. "
            "Install it, start as an ordinary user, or set DATABASE_URL and REDIS_URL."
        )
    rights = ("--inh-caps=-all,+dac_override", "--ambient-caps=-all,+dac_override", "--securebits=+no_setuid_fixup")
    return (
        setpriv,
        f"--reuid={user}",
        f"--regid={group}",
        "--clear-groups",
        *(() if all(map(_open_to_all, paths)) else rights),
    )


def _open_to_all(path: Path) -> bool:
    """May every user enter the folders above, and read and run the file?"""
    folders_open = all(folder.stat().st_mode & 0o001 for folder in path.parents)
    return folders_open and (not path.is_file() or path.stat().st_mode & 0o005 == 0o005)


def private_folder(folder: Path, user: int | None) -> None:
    """Make the folder if there is none; refuse one that belongs to somebody else."""
    owner = os.geteuid() if user is None else user
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        if user is not None:
            os.chown(folder, user, pwd.getpwuid(user).pw_gid)
    if folder.is_symlink() or folder.stat().st_uid != owner:
        raise CannotStart(
            f"{folder} belongs to another user. Start as that user, or point SOLEFLIP_DATA at a folder of yours."
        )


def last_lines(log: Path, count: int = 12) -> str:
    """The end of a server's log, for the message of its failure."""
    try:
        return "\n".join(log.read_text("utf-8", "replace").splitlines()[-count:])
    except OSError:
        return "(no log)"
