"""Files as tar streams: what is sent arrives, and what a step left can't reach beyond the folder it arrives in."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import tracemalloc
from pathlib import Path, PurePosixPath

import pytest

from cursus_sandbox.engines.travel import PIECE, Parcel, packed, text_entry, unpack
from cursus_sandbox.errors import EngineError

TOP = PurePosixPath("/mounts/0")


class Pieces(io.RawIOBase):
    """A stream of pieces that come when they are read."""

    def __init__(self, pieces) -> None:
        self._pieces = iter(pieces)
        self._rest = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        self._rest = self._rest or next(self._pieces, b"")
        given, self._rest = self._rest[:size], self._rest[size:]
        return given


def entry(name: str, kind: bytes = tarfile.REGTYPE, data: bytes = b"", **said) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(data)
    for key, value in said.items():
        setattr(info, key, value)
    return info, data


def stream(*entries: tuple[tarfile.TarInfo, bytes]) -> io.BytesIO:
    """A tar of a folder `0` with these entries."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for info, data in (entry("0", tarfile.DIRTYPE, mode=0o755), *entries):
            archive.addfile(info, io.BytesIO(data))
    buffer.seek(0)
    return buffer


def sent(source: Path, **said) -> io.BytesIO:
    return io.BytesIO(b"".join(packed(Parcel(source, TOP, said.pop("owner", (7, 8)), **said))))


def test_a_folder_arrives_as_it_was_sent(tmp_path):
    """Files, folders, links, odd names and rights come through; the owner is who receives."""
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "deep" / "er").mkdir(parents=True)
    (source / "deep/er/file").write_bytes(b"x" * 3_000_000)
    (source / "run").write_text("#!/bin/sh\n")
    (source / "run").chmod(0o750)
    (source / "link").symlink_to("deep/er/file")
    Path(os.fsdecode(os.fsencode(source) + b"/\xff name\n")).write_text("odd")
    (source / ("long" * 60)).write_text("long")
    target.mkdir()
    unpack(sent(source), target)
    assert (target / "deep/er/file").read_bytes() == b"x" * 3_000_000
    assert stat.S_IMODE((target / "run").stat().st_mode) == 0o750
    assert str((target / "link").readlink()) == "deep/er/file"
    assert {one.name for one in target.iterdir()} == {one.name for one in source.iterdir()}
    assert (target / "run").stat().st_uid == os.geteuid()


@pytest.mark.parametrize(
    ("owner", "writable", "mode"),
    [((7, 8), True, 0o600), ((7, 8), False, 0o400), (None, True, 0o666), (None, False, 0o444)],
)
def test_who_gets_a_file_may_use_it(tmp_path, owner, writable, mode):
    """The owner may read it, and write it unless it is read-only; where nobody's number is known, everybody may."""
    (tmp_path / "f").write_text("a")
    (tmp_path / "f").chmod(0o400)
    with tarfile.open(fileobj=sent(tmp_path / "f", owner=owner, writable=writable)) as archive:
        [info] = archive.getmembers()
    assert (info.mode, info.name) == (mode, "mounts/0")
    assert (info.uid, info.gid) == (owner or (0, 0))


def test_a_file_of_text_is_everyones_to_read(tmp_path):
    """A text becomes a file of root's with its bytes."""
    data = io.BytesIO(text_entry(PurePosixPath("/etc/hosts"), "é\n") + bytes(1024))
    with tarfile.open(fileobj=data) as archive:
        [info] = archive.getmembers()
        assert (info.name, info.mode, archive.extractfile(info).read()) == ("etc/hosts", 0o644, "é\n".encode())


def test_what_is_no_file_is_not_sent(tmp_path):
    """A pipe among the files is named; nobody waits for it."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(EngineError, match=r"pipe could not be sent to the daemon: it is no regular file"):
        sent(tmp_path)


def test_a_file_that_shrinks_is_an_error(tmp_path):
    """A file that becomes shorter while it is read is named: what is missing is not made up."""
    (tmp_path / "f").write_bytes(bytes(3 * PIECE))
    pieces = packed(Parcel(tmp_path, TOP, None))
    for _ in range(3):  # the folder, the file's name, its first piece
        next(pieces)
    (tmp_path / "f").write_bytes(b"")
    with pytest.raises(EngineError, match="it became shorter while it was read"):
        list(pieces)


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        ([entry("0/../../evil", data=b"x")], "leads elsewhere"),
        ([entry("/evil", data=b"x")], "leads elsewhere"),
        ([entry("1/evil", data=b"x")], "leads elsewhere"),
        ([entry("0/out", tarfile.SYMTYPE, linkname=".."), entry("0/out/evil", data=b"x")], "could not be brought"),
        ([entry("0/out", tarfile.SYMTYPE, linkname="../evil"), entry("0/out", data=b"x")], "File exists"),
        ([entry("0/hard", tarfile.LNKTYPE, linkname="/etc/passwd")], "leads elsewhere"),
        ([entry("0/hard", tarfile.LNKTYPE, linkname="0/../../secret")], "leads elsewhere"),
        (
            [entry("0/l", tarfile.SYMTYPE, linkname="../secret"), entry("0/hard", tarfile.LNKTYPE, linkname="0/l")],
            "is no file",
        ),
        ([entry("0/null", tarfile.CHRTYPE, devmajor=1, devminor=3)], "is a device"),
        ([entry("0/disk", tarfile.BLKTYPE)], "is a device"),
    ],
)
def test_nothing_arrives_elsewhere(tmp_path, entries, why):
    """Names, links and hard links that lead out of the folder are refused, and so are devices."""
    target = tmp_path / "target"
    target.mkdir()
    (tmp_path / "secret").write_text("s")
    with pytest.raises(EngineError, match=why):
        unpack(stream(*entries), target)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["secret", "target"]
    assert (tmp_path / "secret").read_text() == "s"


def test_links_and_pipes_arrive_as_what_they_are(tmp_path):
    """A link is not followed and a pipe not opened: whoever judges outputs sees them."""
    entries = [
        entry("0/link", tarfile.SYMTYPE, linkname="/etc/shadow"),
        entry("0/pipe", tarfile.FIFOTYPE),
        entry("0/file", data=b"x"),
        entry("0/hard", tarfile.LNKTYPE, linkname="0/file"),
    ]
    unpack(stream(*entries), tmp_path)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "pipe").is_fifo()
    assert (tmp_path / "hard").samefile(tmp_path / "file")


def test_special_rights_do_not_arrive(tmp_path):
    """A program that would run as its owner is a plain file here, and what was closed can be read."""
    unpack(stream(entry("0/suid", data=b"x", mode=0o6755), entry("0/closed", tarfile.DIRTYPE, mode=0)), tmp_path)
    assert stat.S_IMODE((tmp_path / "suid").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "closed").stat().st_mode) == 0o700


def test_what_there_is_no_room_for_is_refused_beforehand(tmp_path):
    """A sparse file of a petabyte is refused by its size, before a byte of it comes."""
    info, _ = entry("0/huge")
    info.size = 10**15
    head = entry("0", tarfile.DIRTYPE)[0].tobuf() + info.tobuf(tarfile.GNU_FORMAT)
    with pytest.raises(EngineError, match="no room for 'huge' of 1,000,000,000,000,000 bytes"):
        unpack(io.BytesIO(head + bytes(10 * 512)), tmp_path)


def test_a_stream_that_ends_early_is_an_error(tmp_path):
    """A file that came by half is not taken for the whole."""
    whole = stream(entry("0/f", data=b"x" * 100_000)).getvalue()
    with pytest.raises(EngineError, match="unexpected end of data"):
        unpack(io.BytesIO(whole[:50_000]), tmp_path)


def test_memory_does_not_grow_with_what_travels(tmp_path):
    """A file of 64 MB and ten thousand small ones go out and come in with a few pieces in memory."""
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    with (source / "large").open("wb") as large:
        large.truncate(64 * PIECE)
    (source / "small").mkdir()
    for number in range(10_000):
        (source / f"small/{number}").touch()
    tracemalloc.start()
    try:
        unpack(Pieces(packed(Parcel(source, TOP, None))), target)
        assert tracemalloc.get_traced_memory()[1] < 12 * PIECE
    finally:
        tracemalloc.stop()
    assert (target / "large").stat().st_size == 64 * PIECE
    assert len(list((target / "small").iterdir())) == 10_000
