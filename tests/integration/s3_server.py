"""A real S3 server on loopback, SeaweedFS, and a wire to it that can be cut."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from pyarrow import fs
from small_pipeline import wait_for

WEED = Path(sys.executable).with_name("weed")
PORTS = ("master", "volume", "filer", "s3")
KEYS = {"admin": ("AKIAADMIN", "the-admin-secret"), "reader": ("AKIAREADER", "the-reader-secret")}
IDENTITIES = {
    "identities": [
        {"name": "admin", "actions": ["Admin", "Read", "Write", "List"]},
        {"name": "reader", "actions": ["Read:open", "List:open"]},
        {"name": "anonymous", "actions": ["Read:public", "List:public"]},
    ]
}


@dataclass(frozen=True)
class S3Server:
    """The server; `open` may be read by the reader, `public` by anyone, `closed` by the administrator alone."""

    url: str
    files: Any

    def put(self, path: str, content: bytes = b"a\n1\n") -> str:
        """Put an object; gives its URI."""
        with self.files.open_output_stream(path, compression=None) as out:
            out.write(content)
        return f"s3://{path}"


@contextmanager
def s3_server(folder: Path) -> Iterator[S3Server]:
    """A server with three buckets, which is gone afterwards."""
    config = folder / "s3.json"
    for one in IDENTITIES["identities"]:
        if one["name"] in KEYS:
            key, secret = KEYS[str(one["name"])]
            one["credentials"] = [{"accessKey": key, "secretKey": secret}]
    config.write_text(json.dumps(IDENTITIES))
    free = _free_ports(2 * len(PORTS))
    ports = [
        word
        for number, name in enumerate(PORTS)
        for word in (f"-{name}.port={free[2 * number]}", f"-{name}.port.grpc={free[2 * number + 1]}")
    ]
    command = [
        *(str(WEED), "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.telemetry=false"),
        *("-volume.max=100", "-master.volumeSizeLimitMB=64", "-filer", f"-filer.localSocket={folder}/filer.sock"),
        *("-s3", f"-s3.config={config}", "-s3.port.iceberg=0", "-s3.port.lance=0", *ports),
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env={"HOME": str(folder), "TMPDIR": str(folder)}, stdout=log, stderr=log
        )
    url = f"http://127.0.0.1:{free[2 * PORTS.index('s3')]}"
    key, secret = KEYS["admin"]
    options = {"endpoint_override": url, "region": "us-east-1", "allow_bucket_creation": True}
    server = S3Server(url, fs.S3FileSystem(access_key=key, secret_key=secret, **options))

    def is_ready() -> bool:
        assert process.poll() is None, (folder / "log").read_text()[-2000:]
        with suppress(OSError):
            for bucket in ("open", "public", "closed"):
                server.files.create_dir(bucket)
                server.put(f"{bucket}/ready", b"")
            return True
        return False

    try:
        wait_for(is_ready)
        yield server
    finally:
        process.kill()
        process.wait()
        for port in free:  # TMPDIR tells it of its logs alone
            for left in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                left.unlink()


def _free_ports(number: int) -> list[int]:
    with_ports = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [one.getsockname()[1] for one in with_ports]
    for one in with_ports:
        one.close()
    return ports


@dataclass
class Wire:
    """A wire to the server. It counts what comes back, and after `cut_after` bytes of that it is dead for good.

    `meanwhile` is called once, when as many bytes have come back.
    """

    server: S3Server
    cut_after: int | None = None
    meanwhile: tuple[int, Callable[[], object]] | None = None
    bytes_back: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Self:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                if self._is_cut():
                    client.close()
                    continue
                there = socket.create_connection(("127.0.0.1", int(self.server.url.rpartition(":")[2])))
                threading.Thread(target=self._carry, args=(client, there, False), daemon=True).start()
                threading.Thread(target=self._carry, args=(there, client, True), daemon=True).start()

    def _is_cut(self) -> bool:
        return self.cut_after is not None and self.bytes_back >= self.cut_after

    def _carry(self, source: socket.socket, target: socket.socket, back: bool) -> None:
        with suppress(OSError):
            self._carried(source, target, back)
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)  # wakes whoever waits for it in the other direction
            one.close()

    def _carried(self, source: socket.socket, target: socket.socket, back: bool) -> None:
        while data := source.recv(64 * 1024):
            if back:
                with self._lock:
                    self.bytes_back += len(data)
                    due = self.meanwhile is not None and self.bytes_back >= self.meanwhile[0]
                    act = self.meanwhile[1] if self.meanwhile and due else None
                    if due:
                        self.meanwhile = None
                if act:
                    act()
                if self._is_cut():
                    return
            target.sendall(data)
