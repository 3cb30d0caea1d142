"""Simulated power loss: record what a program does to a folder, and see what a power cut would leave of it.

`record` runs a program under ``strace``. `replay` goes through its file operations one by one; after each,
the `Disk` tells what the program has acknowledged so far (lines it wrote to its standard output) and can
write the image that a power cut at this moment would leave. In the least image only what was fsynced exists:
written bytes after fsync or fdatasync of their file, and names (create, rename, unlink, mkdir) after fsync of
their folder. Real disks keep some of the rest as well, in any order, so there are other images too.

Understood: one process with any number of threads, absolute paths or paths relative to the root's parent, and
no ``read`` between writes at the position of one descriptor. SQLite's ``-shm`` files never survive, which
SQLite allows. Anything else that writes inside the root raises `Unsupported`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

CALLS = (
    "open,openat,creat,close,dup,dup2,dup3,fcntl,lseek,write,pwrite64,writev,pwritev,pwritev2,ftruncate,truncate,"
    "fallocate,fsync,fdatasync,sync_file_range,rename,renameat,renameat2,unlink,unlinkat,link,linkat,symlink,"
    "symlinkat,mkdir,mkdirat,rmdir,mmap,copy_file_range,sendfile,splice"
)
FOLDER = "folder"

_LINE = re.compile(r"(?:\[pid +)?(\d+)?\]? *(\w+)\((.*)\) += (-?\d+|0x[0-9a-f]+)(?: .*)?", re.DOTALL)
_UNFINISHED = re.compile(r"(\d+) +(\w+)\((.*?),? *<unfinished \.\.\.>", re.DOTALL)
_RESUMED = re.compile(r"(\d+) +<\.\.\. (\w+) resumed>(.*)", re.DOTALL)
_HEX = re.compile(r"\\x([0-9a-f]{2})")


class Unsupported(Exception):
    """The program did something to the folder that the simulation does not model."""


Finished = subprocess.CompletedProcess[str]


def record(command: Sequence[str], root: Path, trace: Path, **environ: str) -> Finished:
    """Run a program in the parent of ``root`` under strace, writing its system calls to ``trace``."""
    strace = ["strace", "-f", "-xx", "-s", "100000000", "-e", f"trace={CALLS}", "-o", str(trace)]
    return subprocess.run(
        [*strace, *command],
        cwd=root.parent,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def inject(
    command: Sequence[str], cwd: Path, call: str, when: int, fault: str = "EIO", **environ: str
) -> Finished:
    """Run a program whose ``when``-th ``call`` (counted from 1) fails, or is where it is killed.

    ``fault`` is an error such as ``ENOSPC``, or ``SIGKILL``.
    """
    # With the fast filter strace injects errors, but no signals.
    kind, fast = ("signal", ()) if fault.startswith("SIG") else ("error", ("--seccomp-bpf",))
    strace = ["strace", "-f", *fast, "-o", "/dev/null", "-e", f"trace={call}"]
    return subprocess.run(
        [*strace, "-e", f"inject={call}:{kind}={fault}:when={when}", *command],
        cwd=cwd,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def file_calls(
    command: Sequence[str], cwd: Path, trace: Path, mark: str, **environ: str
) -> list[tuple[str, int]]:
    """The system calls on files between the first two writes of ``mark``: name, and its number so far.

    Memory maps are left out: they do not reach the disk by themselves.
    """
    subprocess.run(
        ["strace", "-f", "-o", str(trace), "-e", "trace=%file,%desc", *command],
        cwd=cwd,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environ},
        capture_output=True,
        check=True,
    )
    found, seen, marks = [], Counter[str](), 0
    for line in trace.read_text("utf-8", "backslashreplace").splitlines():
        match = re.match(r"\d+ +(\w+)\(", line)
        if match is None:
            continue
        seen[match[1]] += 1
        if f'"{mark}' in line:
            marks += 1
        elif marks == 1 and match[1] != "mmap":
            found.append((match[1], seen[match[1]]))
    return found


def python(script: Path, *arguments: object) -> list[str]:
    """Command line that runs a Python script in this environment."""
    return [sys.executable, str(script), *map(str, arguments)]


@dataclass(eq=False)
class Inode:
    """A file's bytes: as the program sees them, as they surely survive, and the changes in between."""

    live: bytearray = field(default_factory=bytearray)
    durable: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)

    def change(self, offset: int, data: bytes | None) -> None:
        """Write ``data`` at ``offset``, or cut the file to ``offset`` bytes if ``data`` is None."""
        _change(self.live, offset, data)
        self.pending.append((offset, data))

    def sync(self, count: int) -> None:
        """Make the first ``count`` pending changes survive."""
        for offset, data in self.pending[:count]:
            _change(self.durable, offset, data)
        del self.pending[:count]


def _change(content: bytearray, offset: int, data: bytes | None) -> None:
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    if data is None:
        del content[offset:]
    else:
        content[offset : offset + len(data)] = data


@dataclass
class Names:
    """A change of names that happens whole or not at all, and survives when one of its folders is synced."""

    folders: frozenset[str]
    changes: dict[str, Inode | str | None]


@dataclass
class Descriptor:
    path: str
    inode: Inode | None
    offset: int = 0
    append: bool = False


class Disk:
    """The folder ``root`` after some prefix of a program's operations."""

    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self.operation = "start"
        self.acknowledged: list[str] = []
        self.live: dict[str, Inode | str] = {self.root: FOLDER}
        self.pending: list[Names] = []
        self._output = ""
        self._descriptors: dict[int, Descriptor] = {}
        for path in sorted(root.rglob("*")):
            data = bytearray() if path.is_dir() else bytearray(path.read_bytes())
            self.live[str(path)] = FOLDER if path.is_dir() else Inode(data, bytearray(data))
        self.durable = dict(self.live)

    def read(self, name: str) -> bytes | None:
        """The content of a file under the root as any other process sees it now; None if absent."""
        inode = self.live.get(f"{self.root}/{name}")
        return bytes(inode.live) if isinstance(inode, Inode) else None

    def image(self, target: Path, keep: str | Random) -> None:
        """Write what survives a power cut now.

        ``keep`` is ``"synced"`` (only what must survive), ``"names"`` (all names, but of the bytes only those
        synced), ``"all"``, or a source of randomness that picks among the unsynced changes, torn ones too.
        """
        names = dict(self.durable)
        for change in self.pending:
            if keep in ("names", "all") or (isinstance(keep, Random) and keep.random() < 0.5):
                names.update(change.changes)  # type: ignore[arg-type]
        target.mkdir(parents=True, exist_ok=True)
        for path in sorted(names):
            inode, place = names[path], target / os.path.relpath(path, self.root)
            if inode is None or path.endswith("-shm") or not place.parent.is_dir():
                continue
            if inode is FOLDER:
                place.mkdir(exist_ok=True)
            elif isinstance(inode, Inode):
                place.write_bytes(_survivor(inode, keep))

    def apply(self, call: str, arguments: list[str], result: int, synced: int | None) -> bool:
        """Apply a finished system call; whether it changed anything that counts."""
        handler = getattr(self, f"_{call}", None)
        if handler is None:
            if any(self._inside(_text(each)) or self._of(each) for each in arguments):
                raise Unsupported(f"{call}({', '.join(each[:80] for each in arguments)})")
            return False
        if result < 0:
            return False
        if call in ("fsync", "fdatasync"):
            return self._fsync(arguments, synced)
        return bool(handler(arguments, result))

    def pending_of(self, argument: str) -> int:
        """Number of changes that an fsync of this descriptor, starting now, covers."""
        descriptor = self._of(argument)
        return len(descriptor.inode.pending) if descriptor and descriptor.inode else 0

    def _inside(self, path: str) -> bool:
        return path == self.root or path.startswith(f"{self.root}/")

    def _of(self, argument: str) -> Descriptor | None:
        return self._descriptors.get(int(argument)) if argument.isdigit() else None

    def _path(self, argument: str, folder: str = "AT_FDCWD") -> str:
        path = _text(argument)
        base = self._of(folder)
        return os.path.normpath(os.path.join(base.path if base else os.path.dirname(self.root), path))

    def _rename_names(self, *changes: tuple[str, Inode | str | None]) -> None:
        for path, inode in changes:
            if inode is None:
                self.live.pop(path, None)
            else:
                self.live[path] = inode
        self.pending.append(Names(frozenset(os.path.dirname(path) for path, _ in changes), dict(changes)))

    # One method for each system call: (arguments, result) -> did it change anything.

    def _openat(self, arguments: list[str], result: int) -> bool:
        path, flags = self._path(arguments[1], arguments[0]), arguments[2]
        if not self._inside(path):
            self._descriptors.pop(result, None)
            return False
        inode, changed = self.live.get(path), False
        if inode is None and "O_CREAT" in flags:
            inode, changed = Inode(), True
            self._rename_names((path, inode))
        if isinstance(inode, Inode) and "O_TRUNC" in flags and inode.live:
            inode.change(0, None)
            changed = True
        file = inode if isinstance(inode, Inode) else None
        self._descriptors[result] = Descriptor(path, file, append="O_APPEND" in flags)
        return changed

    def _open(self, arguments: list[str], result: int) -> bool:
        return self._openat(["AT_FDCWD", *arguments], result)

    def _creat(self, arguments: list[str], result: int) -> bool:
        return self._openat(["AT_FDCWD", arguments[0], "O_CREAT|O_TRUNC"], result)

    def _close(self, arguments: list[str], _: int) -> bool:
        self._descriptors.pop(int(arguments[0]), None)
        return False

    def _dup(self, arguments: list[str], result: int) -> bool:
        descriptor = self._of(arguments[0])
        if descriptor:
            self._descriptors[result] = descriptor
        else:
            self._descriptors.pop(result, None)
        return False

    _dup2 = _dup3 = _dup

    def _fcntl(self, arguments: list[str], result: int) -> bool:
        return self._dup(arguments, result) if arguments[1].startswith("F_DUPFD") else False

    def _lseek(self, arguments: list[str], result: int) -> bool:
        descriptor = self._of(arguments[0])
        if descriptor:
            descriptor.offset = result
        return False

    def _write(self, arguments: list[str], result: int) -> bool:
        data = _bytes(arguments[1])[:result]
        descriptor = self._of(arguments[0])
        if descriptor and descriptor.inode:
            if descriptor.append:
                descriptor.offset = len(descriptor.inode.live)
            descriptor.inode.change(descriptor.offset, data)
            descriptor.offset += result
            return True
        if arguments[0] == "1":
            *lines, self._output = (self._output + data.decode()).split("\n")
            self.acknowledged += lines
            return bool(lines)
        return False

    def _writev(self, arguments: list[str], result: int) -> bool:
        data = b"".join(_bytes(each) for each in re.findall(r'"(?:[^"]*)"', arguments[1]))
        return self._write([arguments[0], _quoted(data)], result)

    def _pwrite64(self, arguments: list[str], result: int) -> bool:
        descriptor = self._of(arguments[0])
        if descriptor and descriptor.inode:
            descriptor.inode.change(int(arguments[3]), _bytes(arguments[1])[:result])
        return descriptor is not None

    def _ftruncate(self, arguments: list[str], _: int) -> bool:
        descriptor = self._of(arguments[0])
        if descriptor and descriptor.inode:
            descriptor.inode.change(int(arguments[1]), None)
        return descriptor is not None

    def _fsync(self, arguments: list[str], synced: int | None) -> bool:
        descriptor = self._of(arguments[0])
        if descriptor is None:
            return False
        if descriptor.inode:
            descriptor.inode.sync(len(descriptor.inode.pending) if synced is None else synced)
            return True
        rest = []
        for change in self.pending:
            if descriptor.path in change.folders:
                self.durable.update(change.changes)  # type: ignore[arg-type]
            else:
                rest.append(change)
        self.pending = rest
        return True

    _fdatasync = _fsync

    def _renameat(self, arguments: list[str], _: int) -> bool:
        old, new = self._path(arguments[1], arguments[0]), self._path(arguments[3], arguments[2])
        if not self._inside(old) and not self._inside(new):
            return False
        inode = self.live.get(old)
        if not isinstance(inode, Inode) or not self._inside(new):
            raise Unsupported(f"rename of {old} to {new}")
        self._rename_names((old, None), (new, inode))
        return True

    _renameat2 = _renameat

    def _rename(self, arguments: list[str], result: int) -> bool:
        return self._renameat(["AT_FDCWD", arguments[0], "AT_FDCWD", arguments[1]], result)

    def _linkat(self, arguments: list[str], _: int) -> bool:
        old, new = self._path(arguments[1], arguments[0]), self._path(arguments[3], arguments[2])
        if not self._inside(new):
            return False
        self._rename_names((new, self.live[old]))
        return True

    def _link(self, arguments: list[str], result: int) -> bool:
        return self._linkat(["AT_FDCWD", arguments[0], "AT_FDCWD", arguments[1]], result)

    def _unlinkat(self, arguments: list[str], _: int) -> bool:
        path = self._path(arguments[1], arguments[0])
        if not self._inside(path):
            return False
        self._rename_names((path, None))
        return True

    def _unlink(self, arguments: list[str], result: int) -> bool:
        return self._unlinkat(["AT_FDCWD", arguments[0]], result)

    _rmdir = _unlink

    def _mkdirat(self, arguments: list[str], _: int) -> bool:
        path = self._path(arguments[1], arguments[0])
        if not self._inside(path) or path == self.root:
            return False
        self._rename_names((path, FOLDER))
        return True

    def _mkdir(self, arguments: list[str], result: int) -> bool:
        return self._mkdirat(["AT_FDCWD", arguments[0]], result)

    def _mmap(self, arguments: list[str], _: int) -> bool:
        descriptor = self._of(arguments[4])
        shared = descriptor and "MAP_SHARED" in arguments[3] and "PROT_WRITE" in arguments[2]
        if descriptor and shared and not descriptor.path.endswith("-shm"):
            raise Unsupported(f"writing through a map of {descriptor.path}")
        return False


def _survivor(inode: Inode, keep: str | Random) -> bytes:
    if keep == "all":
        return bytes(inode.live)
    content = bytearray(inode.durable)
    if isinstance(keep, Random):
        for offset, data in inode.pending:
            if keep.random() < 0.5:
                torn = data if data is None or keep.random() < 0.5 else data[: keep.randrange(len(data) + 1)]
                _change(content, offset, torn)
    return bytes(content)


def replay(disk: Disk, trace: Path) -> Iterator[Disk]:
    """The same disk again and again, after each operation that changed a file, a name or an acknowledgement.

    ``disk`` is made from the folder as it was before the program ran.
    """
    unfinished: dict[str, tuple[str, int | None]] = {}
    with trace.open(encoding="ascii", newline="\n") as lines:
        for line in lines:
            text, synced = line.rstrip("\n"), None
            if match := _UNFINISHED.fullmatch(text):
                pid, call, arguments = match.groups()
                sync = disk.pending_of(arguments.strip()) if call in ("fsync", "fdatasync") else None
                unfinished[pid] = (f"{call}({arguments}", sync)
                continue
            if match := _RESUMED.fullmatch(text):
                begun, synced = unfinished.pop(match[1])
                text = f"{match[1]} {begun}{match[3]}"
            match = _LINE.fullmatch(text)
            if match is None:
                continue
            call, arguments = match[2], _arguments(match[3])
            if disk.apply(call, arguments, int(match[4], 0), synced):
                disk.operation = f"{call}({', '.join(a[:60] for a in map(_readable, arguments))})"
                yield disk


def _arguments(text: str) -> list[str]:
    """Split at top-level commas; with -xx, quoted strings hold only ``\\xNN``."""
    return [part.strip() for part in re.split(r",(?![^\[{]*[\]}])", text)]


def _bytes(argument: str) -> bytes:
    if argument.endswith("..."):
        raise Unsupported("a string was cut by strace")
    return bytes.fromhex(argument.strip('"').replace("\\x", ""))


def _quoted(data: bytes) -> str:
    return '"' + "".join(f"\\x{byte:02x}" for byte in data) + '"'


def _text(argument: str) -> str:
    return os.fsdecode(_bytes(argument)) if argument.startswith('"') else ""


def _readable(argument: str) -> str:
    return _HEX.sub(lambda match: chr(int(match[1], 16)), argument[:400])
