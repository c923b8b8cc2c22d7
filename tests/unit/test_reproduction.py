"""Command lines that are typed into a shell."""

from cursus_sandbox.engines.docker_create import DaemonFacts, creation
from cursus_sandbox.engines.docker_line import docker_run
from cursus_sandbox.engines.engine import Job, Limits, Mount, MountMode, typed
from cursus_sandbox.engines.mounts import Private, place

FACTS = DaemonFacts(cpus=8, local_log=True)


def line(tmp_path, **said):
    """The `docker run` line of a job."""
    source = tmp_path / 'a, "b": c'
    source.mkdir(exist_ok=True)
    mount = Mount(source, tmp_path / "in", MountMode.READ_ONLY)
    job = Job(name="x", scratch=tmp_path, image="i:1", mounts=(mount,), **said)
    return docker_run(settings_of(job))


def settings_of(job):
    return creation(
        job, place(job, Private.COPY), volumes={}, hosts=None, network=None, user="7:8", labels={}, facts=FACTS
    )


def test_every_setting_has_its_option(tmp_path):
    """All that a container is made with is in the line: limits, rights, user, command, and mounts with odd names."""
    words = line(
        tmp_path,
        entrypoint=("python3", "run.py"),
        argv=("--a", "b c"),
        environment={"A": "x y"},
        limits=Limits(cpus=1.5, memory=1 << 30, gpus=2, shm_size=1 << 20),
    )
    said = " ".join(words)
    assert words[:3] == ["docker", "run", "--rm"]
    for options in (
        *("--cap-drop ALL", "--security-opt no-new-privileges", "--init", "--network none", "--hostname algo-1"),
        *("--memory 1073741824 --memory-swap 1073741824", "--shm-size 1048576", "--cpus 1.5", "--gpus 2"),
        *("--user 7:8", "--env A=x y", "--entrypoint python3 i:1 run.py --a b c"),
    ):
        assert options in said
    assert f'"source={tmp_path}/a, ""b"": c",target={tmp_path}/in,readonly' in said


def test_an_image_that_starts_itself(tmp_path):
    """Without an entry point of the job's own, the image's stays."""
    words = line(tmp_path, argv=("train",), user="image")
    assert "--entrypoint" not in words
    assert "--user" not in words
    assert words[-2:] == ["i:1", "train"]


def test_a_setting_without_an_option(tmp_path):
    """A container with a setting that can't be typed has no line, rather than one that makes another container."""
    settings = settings_of(Job(name="x", scratch=tmp_path, image="i:1"))
    settings["HostConfig"]["OomScoreAdj"] = 5
    assert docker_run(settings) is None


def test_a_line_is_folded_at_its_options():
    """Each option has a line of its own, quoted for a shell."""
    assert typed(["exec", "docker", "--env", "A=x y", "--rm", "i"]) == "exec docker \\\n  --env 'A=x y' \\\n  --rm i"
