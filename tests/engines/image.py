"""A tiny image made of this machine's own shell and tools: no registry is asked for anything."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import docker

TOOLS = (
    *("sh", "cat", "chmod", "echo", "env", "getent", "grep", "head", "hostname", "id", "ln", "ls"),
    *("mkdir", "mv", "perl", "rm", "rmdir", "sleep", "stat", "stty", "tail", "touch", "wc"),
)
PYTHON = Path(sys.executable).resolve()
MODULES_OF_PYTHON = (
    "import os, socket, sys, threading; print(*(m.__file__ for m in sys.modules.values() if '__file__' in vars(m)))"
)


def test_image(client: docker.APIClient) -> str:
    """The tag of the image, which is imported first where the daemon doesn't have it yet."""
    archive = _root_file_system()
    tag = f"cursus-sandbox-test:{hashlib.sha256(archive).hexdigest()[:12]}"
    try:
        client.inspect_image(tag)
    except docker.errors.ImageNotFound:
        repository, _, version = tag.partition(":")
        made = client.import_image_from_data(archive, repository=repository, tag=version)
        client.tag(json.loads(made.splitlines()[-1])["status"], repository, version)  # Podman has forgotten it
    return tag


def _root_file_system() -> bytes:
    """A tar of the tools, of the libraries `ldd` names for them, and of the few folders a container expects.

    Of Python, it is the interpreter that runs this, with the few modules that a program of sockets and threads needs.
    """
    programs = {f"bin/{tool}": Path(path) for tool in TOOLS if (path := shutil.which(tool, path="/usr/bin:/bin"))}
    programs["usr/bin/python3"] = PYTHON
    asked = subprocess.run([PYTHON, "-I", "-S", "-c", MODULES_OF_PYTHON], capture_output=True, text=True, check=True)
    modules = {str("usr" / Path(name).relative_to(sys.base_prefix)): Path(name) for name in asked.stdout.split()}
    listing = subprocess.run(
        ["ldd", *map(str, (programs | modules).values())], capture_output=True, text=True, check=False
    ).stdout
    libraries = {path.lstrip("/"): Path(path) for path in re.findall(r"\s(/\S+) \(0x", listing)}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, mode in (("tmp", 0o1777), ("etc", 0o755), ("opt", 0o755), ("root", 0o700)):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, mode
            archive.addfile(folder)
        passwd = b"root:x:0:0:root:/root:/bin/sh\n"
        for name, content in [("etc/passwd", passwd)] + [
            (name, path.read_bytes()) for name, path in sorted((programs | modules | libraries).items())
        ]:
            file = tarfile.TarInfo(name)
            file.size, file.mode = len(content), 0o755
            archive.addfile(file, io.BytesIO(content))
    return buffer.getvalue()
