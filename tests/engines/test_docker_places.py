"""Where a daemon finds this machine's files: what is known of mounts, and what is asked of a real daemon."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import docker
import pytest

from cursus_sandbox.engines.docker_daemon import Daemon
from cursus_sandbox.engines.docker_places import Places, mount_point, mount_points, own_container
from cursus_sandbox.engines.engine import Job

ID = "ab" * 32
HOST = f"""\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
70 22 0:50 / /var/lib/docker/containers/{ID}/mounts/shm rw - tmpfs shm rw
23 22 0:21 / /home/me/with\\040space rw - ext4 /dev/vdb rw
"""
CONTAINER = f"""\
500 400 0:60 / / rw - overlay overlay rw
501 500 254:0 /var/lib/docker/containers/{ID}/resolv.conf /etc/resolv.conf rw - ext4 /dev/vda rw
502 500 254:0 /var/lib/docker/containers/{ID}/hostname /etc/hostname rw - ext4 /dev/vda rw
503 500 254:0 /srv/builds /builds rw - ext4 /dev/vda rw
"""


@pytest.fixture
def listed(tmp_path):
    def mounts(text: str) -> Path:
        file = tmp_path / "mountinfo"
        file.write_text(text)
        return file

    return mounts


def test_our_container_is_known_by_its_own_files(listed):
    """Its id is in where /etc/hostname comes from; a host that has containers is none."""
    assert own_container(listed(CONTAINER)) == ID
    assert own_container(listed(HOST)) is None
    assert own_container(Path("/nonexistent")) is None


def test_a_path_has_the_innermost_mount(listed):
    """The mount point is that of the file system a path is on, also with a space in its name."""
    points = mount_points(listed(HOST))
    assert mount_point(Path("/home/me/with space/a/b"), points) == Path("/home/me/with space")
    assert mount_point(Path("/home/me/with"), points) == Path("/")
    assert mount_point(Path("/a/b"), mount_points(Path("/nonexistent"))) == Path("/a/b")


@pytest.fixture
def places(docker_image, docker_bench):
    """What gives the places of the daemon here, for a process that has these mounts."""
    daemon = Daemon.first(None)
    image = docker_image()
    yield lambda mounts: Places(daemon, labels={"cursus-sandbox.engine": docker_bench.engine.id}, mounts=mounts), image
    daemon.client.close()


@pytest.mark.docker
def test_a_daemon_of_this_machine_sees_its_files(places, tmp_path):
    """Files are found where they are, and the file that was made to be looked for is gone."""
    make, image = places
    job = Job(name="test", scratch=tmp_path, image=image)
    assert make(Path("/proc/self/mountinfo")).at(tmp_path, job, ours=True) == tmp_path
    assert list(tmp_path.iterdir()) == []


ELSEWHERE = """
import sys
from pathlib import Path
from cursus_sandbox.engines.docker_daemon import Daemon
from cursus_sandbox.engines.docker_places import Places
from cursus_sandbox.engines.engine import Job

folder, image, label = sys.argv[1:]
daemon = Daemon.first(None)
places = Places(daemon, labels={"cursus-sandbox.engine": label})
job = Job(name="test", scratch=Path(folder), image=image)
print(places.at(job.scratch, job, ours=True), places.at(Path("/usr"), job))
"""


@pytest.mark.docker
def test_a_folder_of_the_same_name_is_not_taken_for_ours(places, tmp_path, docker_bench):
    """Where something else is mounted here than where the daemon lives, it has a folder of that name, but not ours."""
    _, image = places
    own_mounts = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    if subprocess.run([*own_mounts, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine gives no mount namespace: run as root")
    program = 'mount -t tmpfs none "$1" && exec "$0" -c "$2" "$1" "$3" "$4"'
    words = [sys.executable, str(tmp_path), ELSEWHERE, image, docker_bench.engine.id]
    done = subprocess.run([*own_mounts, "sh", "-c", program, *words], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("None /usr\n", "")


@pytest.mark.docker
def test_a_path_of_our_container_is_translated(places, tmp_path, listed):
    """What lies in a mount of the container that we run in is found where the mount comes from."""
    make, image = places
    host = tmp_path / "host"
    (host / "run").mkdir(parents=True)
    client = docker.from_env().api
    mounts = [{"Type": "bind", "Source": str(host), "Target": "/nowhere/here"}]
    settings = {"Image": image, "Cmd": ["-"], "HostConfig": {"NetworkMode": "none", "Mounts": mounts}}
    ours = client.create_container_from_config(settings)["Id"]
    try:
        found = make(listed(CONTAINER.replace(ID, ours)))
        assert found._translated(Path("/nowhere/here/run")) == host / "run"
        assert found._translated(Path("/elsewhere")) is None
    finally:
        client.remove_container(ours)
        client.close()


@pytest.mark.docker
def test_a_container_of_another_daemon_translates_nothing(places, listed):
    """A container id that the daemon doesn't know is no reason to believe that it sees our files."""
    make, _ = places
    assert make(listed(CONTAINER))._translated(Path("/builds/x")) is None
