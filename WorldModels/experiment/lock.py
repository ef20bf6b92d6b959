"""Who may write into a run's folder: one process at a time, also on disks without file locks."""

import contextlib
import errno
import os
import re
import time
from pathlib import Path

from WorldModels.experiment.files import ended, host, not_a_link, process_began, temporary_of

# What flock(2) answers where somebody else has the lock, and where a disk has no locks at all.
HELD = {errno.EAGAIN, errno.EWOULDBLOCK}
UNSUPPORTED = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP}
LOCK, OWNER = ".lock", ".lock-owner"
SIGNATURE = re.compile(r"(\w+) (\d+) (\d+) (.+)")  # host, process, when it began, holder
UNSIGNED = 60  # seconds after which a lock file that names nobody was left by a killed process


class Lock:
    """The lock of a folder, held until it is released or its process ends.

    It is flock's, on the file .lock. On a disk without file locks (some shared ones), the file
    .lock-owner stands in: it is made with O_EXCL, and names host and process. One left by a process
    of this host that has ended is taken over.

    Args:
        folder: that exists.
        holder: what takes the lock, such as a verb.

    Attributes:
        warning: one line where the disk has no file locks, else empty.

    Raises:
        ValueError: another process has the lock; the message names it.
        OSError: the folder cannot be written.
    """

    def __init__(self, folder: Path, holder: str):
        self.folder, self.holder, self.warning = folder, holder, ""
        self._owner, self._signature = folder / OWNER, ""
        self._file = open(folder / LOCK, "a+", opener=not_a_link)
        try:
            if self._flock():
                self._remove_left()  # a host for which this disk has no locks may have made one
            else:
                self._sign()
            self._file.truncate(0)
            self._file.write(f"{holder} (process {os.getpid()} on {host()})")
            self._file.flush()
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Let the next process take the folder; a second call does nothing."""
        self._file.close()
        if self._signature and _read(self._owner) == self._signature:
            self._owner.unlink(missing_ok=True)
        self._signature = ""

    def _flock(self) -> bool:
        """Lock .lock; False if the disk has no file locks."""
        import fcntl  # Windows lacks it, where a verb must get as far as saying so

        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in HELD:
                self._file.seek(0)
                raise self._in_use(self._file.read().strip() or "another process") from None
            if error.errno not in UNSUPPORTED:
                error.filename = str(self.folder / LOCK)
                raise
            self.warning = (
                f"{self.folder}: this disk has no file locks ({error.strerror}), so {OWNER} keeps "
                "other processes out."
            )
            return False
        return True

    def _sign(self) -> None:
        """Make .lock-owner, in place of one whose process has ended."""
        process = os.getpid()
        while True:
            try:
                descriptor = os.open(self._owner, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
                break
            except FileExistsError:
                self._remove_left()
        self._signature = f"{host()} {process} {process_began(process)} {self.holder}"
        with open(descriptor, "w") as file:
            file.write(self._signature)

    def _remove_left(self) -> None:
        """Remove a .lock-owner whose process has ended.

        It is renamed first, which only one process can do, and read again: another process may have
        put its own there meanwhile.

        Raises:
            ValueError: its process may still be running.
        """
        signature = _read(self._owner)
        if signature is None:
            return
        if not _left(self._owner, signature):
            raise self._in_use(_who(signature), f" If it has ended, remove {self._owner}.")
        aside = temporary_of(self._owner)
        with contextlib.suppress(FileNotFoundError):
            os.rename(self._owner, aside)
            if _read(aside) == signature:
                aside.unlink()
            else:
                os.rename(aside, self._owner)

    def _in_use(self, who: str, otherwise: str = "") -> ValueError:
        return ValueError(
            f"{self.folder} is in use by {who}: expected a free folder; wait for it, or give "
            f"--results FOLDER.{otherwise}"
        )


def _read(owner: Path) -> str | None:
    """The text of a lock file; None if there is none."""
    try:
        return owner.read_text()
    except FileNotFoundError:
        return None


def _left(owner: Path, signature: str) -> bool:
    """Whether a lock file was left by a process that has ended."""
    if found := SIGNATURE.fullmatch(signature):
        return found[1] == host() and ended(int(found[2]), int(found[3]))
    with contextlib.suppress(FileNotFoundError):
        return time.time() - owner.stat().st_mtime > UNSIGNED
    return False


def _who(signature: str) -> str:
    """The holder, its process and its host in words."""
    if found := SIGNATURE.fullmatch(signature):
        return f"{found[4]} (process {found[2]} on {found[1]})"
    return "a process that has just taken it"
