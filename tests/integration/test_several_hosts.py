"""Jobs on several instances: their hosts find each other, share the data, and leave one result."""

import json
import tarfile
import threading
from concurrent.futures import ThreadPoolExecutor

import docker
import pytest
from small_pipeline import said, statuses, succeeded

from cursus_sandbox.engines.docker import DockerEngine
from cursus_sandbox.engines.engine import Job, Why
from cursus_sandbox.errors import DocumentError, EngineError

TALK = """
import socket
config = json.loads(Path('/opt/ml/config/resourceconfig.json').read_text())
me, (first, *others) = config['current_host'], config['hosts']
if me == first:
    with socket.create_server(('', 7777)) as server:
        for _ in others:
            connection, _ = server.accept()
            with connection: print('heard', connection.recv(100).decode(), flush=True)
else:
    for _ in range(200):
        try:
            with socket.create_connection((first, 7777), 5) as connection: connection.sendall(me.encode()); break
        except OSError: time.sleep(0.05)
    else: sys.exit('nobody there')
say(socket.gethostname(), name=me)
"""
FILES = "for n in range(5): say(str(n), name=f'part-{n}.txt')\n"


def test_hosts_find_each_other(in_docker):
    """Three hosts talk by name without a network outside; the log names whose line it is; outputs are put together."""
    in_docker.step("talk", TALK, instance_count=3)
    result = succeeded(in_docker.run()).step_results["talk"]
    assert {file.name: file.read_text() for file in result.outputs["out"].iterdir()} == {
        f"algo-{n}": f"algo-{n}" for n in (1, 2, 3)
    }
    lines = sorted(result.log.read_text().splitlines())
    assert lines == ["algo-1 | heard algo-2", "algo-1 | heard algo-3"]
    assert result.warnings == ()


def test_jobs_are_apart(image, tmp_path):
    """What a host of the same job reaches can't be reached from another job, and neither can the world."""
    listen = "import socket, time; s = socket.create_server(('', 7000)); print('up', flush=True); time.sleep(60)"
    reach = (
        "import socket, sys\n"
        "try: socket.create_connection((sys.argv[1], 7000), 2); print('yes')\n"
        "except OSError: print('no')"
    )

    def job(name, cluster, *words):
        (tmp_path / name).mkdir()
        host = "algo-1" if name == "listens" else "algo-2"
        return Job(name, tmp_path / name, ("python3", "-c", *words), image=image, cluster=cluster, hostname=host)

    names, up, said = ["algo-1", "algo-2"], threading.Event(), []
    with (
        DockerEngine.connect() as engine,
        engine.cluster(names, outside=False, labels={}) as one,
        engine.cluster(names, outside=False, labels={}) as other,
        ThreadPoolExecutor(1) as threads,
    ):
        listens = threads.submit(engine.run, job("listens", one, listen), lambda _: up.set())
        try:
            assert up.wait(30)
            there = one.addresses["algo-1"]
            engine.run(job("beside", one, reach, there), said.append)
            engine.run(job("apart", other, reach, there), said.append)
            engine.run(job("out", one, reach, "192.0.2.1"), said.append)  # for documentation only, RFC 5737
        finally:
            one.stop.set()
        assert listens.result(60).why is Why.INTERRUPTED
    assert b"".join(said).split() == [b"yes", b"no", b"no"]


def test_an_input_is_divided_where_it_is_asked_for(in_docker):
    """ShardedByS3Key gives each host every other file, FullyReplicated all; the job's configuration says which."""
    in_docker.step("load", FILES)
    in_docker.step(
        "read",
        "me = json.loads(Path('/opt/ml/config/resourceconfig.json').read_text())['current_host']\n"
        "given = json.loads(Path('/opt/ml/config/processingjobconfig.json').read_text())['ProcessingInputs']\n"
        "how = {one['InputName']: one['S3Input']['S3DataDistributionType'] for one in given}\n"
        "say(json.dumps([tree(IN / 'shard'), len(tree(IN / 'whole')), how['shard'], how['whole']]), name=me)",
        reads={"shard": "load:out", "whole": "load:out"},
        instance_count=2,
        distribution={"shard": "ShardedByS3Key"},
    )
    step = succeeded(in_docker.run()).step_results["read"]
    words = ["ShardedByS3Key", "FullyReplicated"]
    assert json.loads(said(step, name="algo-1")) == [["part-0.txt", "part-2.txt", "part-4.txt"], 5, *words]
    assert json.loads(said(step, name="algo-2")) == [["part-1.txt", "part-3.txt"], 5, *words]


def test_a_job_fails_with_its_first_host(in_docker):
    """The others are stopped, the reason names the host, the messages are joined, and nothing is left behind."""
    in_docker.step(
        "fail",
        "me = json.loads(Path('/opt/ml/config/resourceconfig.json').read_text())['current_host']\n"
        "(ML / 'output' / 'message').write_text(f'this is {me}. ')\n"
        "if me == 'algo-2': sys.exit(7)\n"
        "time.sleep(600)",
        instance_count=3,
    )
    result = in_docker.run()
    step = result.step_results["fail"]
    assert statuses(result) == {"fail": "failed"}
    assert (step.why, step.exit_code) == ("algo-2: exit code 7", 7)
    assert "this is algo-2." in step.message
    assert step.seconds < 60
    client = docker.from_env()
    ours = {"label": f"cursus-sandbox.run={result.run}"}
    assert client.api.containers(all=True, filters=ours) == []
    assert client.api.networks(filters=ours) == []
    client.close()


def test_messages_are_joined(in_docker):
    """The message of a processing job is what its hosts left, one behind the other, cut as a whole."""
    in_docker.step(
        "tell",
        "me = json.loads(Path('/opt/ml/config/resourceconfig.json').read_text())['current_host']; say(me, name=me)\n"
        "text = 'x' * 1020 if me == 'algo-2' else 'one'\n"
        "(ML / 'output/message').write_text(text) if me != 'algo-3' else (ML / 'output/message').mkdir()",
        instance_count=3,
    )
    assert succeeded(in_docker.run()).step_results["tell"].message == "one" + "x" * 1020


def test_a_model_is_put_together_and_clashes_are_named(in_docker):
    """One model.tar.gz holds what all hosts left; a name that two of them used is a warning."""
    in_docker.step(
        "train",
        "config = json.loads((ML / 'input/config/resourceconfig.json').read_text())\n"
        "me = config['current_host']\n"
        "(ML / 'model' / f'{me}.txt').write_text(' '.join(config['hosts']))\n"
        "(ML / 'model' / 'both.txt').write_text(me)\n"
        "(ML / 'checkpoints' / 'same').write_text('1')\n",
        outputs={"model": {"path": "/opt/ml/model"}},
        kind="Training",
        instance_count=2,
    )
    result = succeeded(in_docker.run()).step_results["train"]
    with tarfile.open(result.outputs["model"] / "model.tar.gz") as tar:
        held = {member.name: tar.extractfile(member).read().decode() for member in tar}
    assert held == {"algo-1.txt": "algo-1 algo-2", "algo-2.txt": "algo-1 algo-2", "both.txt": "algo-2"}
    (warning,) = result.warnings
    assert warning.startswith("algo-2 wrote model/both.txt over another host's file of that name")


def test_checkpoints_of_all_hosts_reach_the_next_attempt(in_docker):
    """What hosts left in /opt/ml/checkpoints is there on each of them when the job is tried again."""
    in_docker.step(
        "train",
        "me = json.loads((ML / 'input/config/resourceconfig.json').read_text())['current_host']\n"
        "found = tree(ML / 'checkpoints')\n"
        "(ML / 'checkpoints' / me).write_text('1')\n"
        "if not found:\n"
        "    sys.exit(1 if me == 'algo-1' else time.sleep(600))\n"
        "(ML / 'model' / me).write_text(json.dumps(found))",
        outputs={"model": {"path": "/opt/ml/model"}},
        kind="Training",
        instance_count=2,
        retries=1,
        grace=1,
    )
    result = succeeded(in_docker.run()).step_results["train"]
    assert (result.attempts, result.warnings) == (2, ())
    with tarfile.open(result.outputs["model"] / "model.tar.gz") as tar:
        held = {member.name: json.loads(tar.extractfile(member).read()) for member in tar}
    assert set(held) == {"algo-1", "algo-2"}
    assert "algo-1" in held["algo-1"]
    assert held["algo-1"] == held["algo-2"]


def test_an_engine_with_one_host_says_so(small):
    """The local engine runs algo-1 alone, on all of the input, and a note says so; --strict refuses that."""
    small.step("read", "say(Path('/opt/ml/config/resourceconfig.json').read_text())", instance_count=2)
    result = succeeded(small.run())
    assert json.loads(said(result.step_results["read"]))["hosts"] == ["algo-1"]
    assert any("the local engine has one host" in note for note in result.notes)
    with pytest.raises(EngineError, match="instance_count: 1"):
        small.run(strict=True)


def test_a_distribution_of_no_input_is_refused(small):
    """A channel that isn't there, or a word that AWS doesn't have, is an error with its place."""
    small.step("read", instance_count=2, distribution={"oops": "ShardedByS3Key"})
    with pytest.raises(DocumentError, match="has no input 'oops'"):
        small.run()
    small.steps["read"]["distribution"] = {"oops": "Sharded"}
    with pytest.raises(DocumentError, match="FullyReplicated"):
        small.run()
