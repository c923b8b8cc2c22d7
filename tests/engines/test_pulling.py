"""The docker engine fetches an image from a registry, a small one of its own, and says how far it is."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import threading
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import uuid4

import docker
import pytest
from docker.errors import ImageNotFound

from cursus_sandbox.engines.docker import DockerEngine
from cursus_sandbox.errors import EngineError

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def layer(name: str) -> bytes:
    """A layer of one small file, as a tar."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        entry = tarfile.TarInfo(name)
        entry.size = 5
        tar.addfile(entry, io.BytesIO(b"hello"))
    return written.getvalue()


@pytest.fixture
def registry(docker_bench):
    """The address of a registry on this machine with one image of two layers."""
    layers = [layer(uuid4().hex), layer("second")]
    rootfs = {"type": "layers", "diff_ids": [digest(one) for one in layers]}
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": rootfs}).encode()
    blobs = {digest(one): one for one in (config, *layers)}

    def described(data: bytes, kind: str) -> dict[str, object]:
        return {"mediaType": f"application/vnd.docker.{kind}", "size": len(data), "digest": digest(data)}

    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": described(config, "container.image.v1+json"),
            "layers": [described(one, "image.rootfs.diff.tar") for one in layers],
        }
    ).encode()

    class Registry(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            last = self.path.rpartition("/")[2]
            found = manifest if "/manifests/here" in self.path or last == digest(manifest) else blobs.get(last)
            if self.path == "/v2/":
                found = b"{}"
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Type", MANIFEST if "/manifests/" in self.path else "application/octet-stream")
            self.send_header("Docker-Content-Digest", digest(found or b""))
            self.send_header("Content-Length", str(len(found or b"")))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(found or b"")

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Registry) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        image = f"localhost:{server.server_port}/small:here"
        yield image
        server.shutdown()
    with closing(docker.from_env().api) as client, suppress(ImageNotFound):
        client.remove_image(image)


@pytest.mark.docker
def test_an_image_that_is_fetched(registry):
    """Nothing is fetched unasked; asked for, it is, layer by layer, and the engine says how many of how many."""
    told = []
    with DockerEngine.connect() as engine:
        with pytest.raises(EngineError, match="has no image"):
            engine.require([registry], fetching=lambda *far: told.append(far))
        assert told == []
        found = engine.require([registry], pull=True, fetching=lambda *far: told.append(far))
    assert found[registry].startswith("sha256:")
    assert {image for image, _, _ in told} == {registry}
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
    assert told[-1] == (registry, 2, 2)
