"""The file of a backup: a ZIP with a CSV file for each relation and a manifest, readable without NokChart too."""

import json
import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any

from store.errors import NokchartError

FORMAT = 1
_MANIFEST = "manifest.json"
_BLOCK = 256 * 1024  # bytes that are read, compressed and sent at a time
_LEVEL = 3  # of deflate: twice as fast as the default of 6, and a tenth larger


class BackupError(NokchartError):
    """A backup cannot be made or used."""


class RowDigest:
    """Counts rows and adds up their digests: the same rows give the same sum, in whatever order they come."""

    def __init__(self) -> None:
        self.rows = 0
        self._sum = 0

    def add(self, row: bytes) -> None:
        self.rows += 1
        self._sum += int.from_bytes(blake2b(row, digest_size=16).digest())

    def text(self) -> str:
        return f"{self._sum % 2**128:032x}"


class ArchiveWriter:
    """A backup that is being written; use `writing_archive`."""

    def __init__(self, file: zipfile.ZipFile) -> None:
        self._file = file
        self.members: list[dict[str, Any]] = []

    def add(self, relation: str, columns: list[str], lines: Iterator[bytes]) -> int:
        """Adds `lines`, a CSV header and then a row each, as the member of `relation`. Returns the number of rows."""
        digest = RowDigest()
        block = bytearray()
        with self._file.open(f"{relation}.csv", "w", force_zip64=True) as member:
            for number, line in enumerate(lines):
                if number:
                    digest.add(line)
                block += line
                if len(block) >= _BLOCK:
                    member.write(block)
                    block.clear()
            member.write(block)
        self.members.append({"relation": relation, "columns": columns, "rows": digest.rows, "digest": digest.text()})
        return digest.rows

    def finish(self, about: dict[str, Any]) -> None:
        """Adds the manifest, with what is to be said `about` the whole."""
        manifest = {"format": FORMAT, **about, "members": self.members}
        self._file.writestr(_MANIFEST, json.dumps(manifest, indent=1))


@contextmanager
def writing_archive(path: Path) -> Iterator[ArchiveWriter]:
    """A new backup at `path`, for its owner only. It appears there when it is complete and on disk, or not at all."""
    beside = path.with_name(f".{path.name}.part-{os.getpid()}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as raw:
            with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as file:
                yield ArchiveWriter(file)
            raw.flush()
            os.fsync(raw.fileno())
        beside.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        beside.unlink(missing_ok=True)


class Archive:
    """A backup to be read. BackupError where it is none, is not complete, or is of a newer NokChart."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = zipfile.ZipFile(path)
            self.about: dict[str, Any] = json.loads(self._file.read(_MANIFEST))
            self.members = {str(one["relation"]): one for one in self.about["members"]}
            known = set(self._file.namelist()) >= {f"{relation}.csv" for relation in self.members}
        except (zipfile.BadZipFile, KeyError, TypeError, ValueError, EOFError, NotImplementedError) as error:
            raise BackupError(f"{path} is no backup of NokChart, or not all of one: take another file.") from error
        if not known:
            raise BackupError(f"{path} is not complete: take another file.")
        if self.about["format"] > FORMAT:
            raise BackupError(f"{path} was made by a newer NokChart: update NokChart.")

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def check(self) -> None:
        """Reads all of it. BackupError where a part is not what was written."""
        for relation in self.members:
            for _ in self.blocks(relation):
                pass

    def blocks(self, relation: str) -> Iterator[bytes]:
        """The CSV of a relation, header included, in blocks. BackupError where it is not what was written."""
        try:
            with self._file.open(f"{relation}.csv") as member:
                while block := member.read(_BLOCK):
                    yield block
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise BackupError(f"{self.path} is damaged ({relation}): take another file.") from error
