"""Secrets reach their step, and nothing else: no log, report, plan, event or file of the workspace holds one."""

import json
import os
import signal
import subprocess

import docker
import pytest
from small_pipeline import said, succeeded, wait_for

from cursus_sandbox.errors import DocumentError

SECRET = "s3cr3t-d0-n0t-t3ll"
OTHER = "an0ther-0ne"
LINES = "-----BEGIN KEY-----\nMIIabcdefgh\n-----END KEY-----\n"
SHOW = (
    "import base64; print('it is', os.environ['TOKEN'], flush=True); sys.stdout.flush()\n"
    "for char in os.environ['TOKEN']:\n    sys.stderr.write(char); sys.stderr.flush()\n"
    "print(json.dumps(dict(os.environ))); print(base64.b64encode(os.environ['TOKEN'].encode()).decode())\n"
    "(ML / 'output/message').write_text('used ' + os.environ['TOKEN'])\n"
)


@pytest.fixture(autouse=True)
def kept(monkeypatch, tmp_path):
    monkeypatch.setenv("MY_TOKEN", SECRET)
    (tmp_path / "key.pem").write_text(LINES)


def holding(folder, *secrets):
    """The files below a folder that hold one of the secrets, by name or content."""
    return [
        file
        for file in folder.rglob("*")
        for secret in secrets
        if secret in str(file) or (file.is_file() and secret.encode() in file.read_bytes())
    ]


def test_as_a_variable(anywhere, capfd):
    """A step has it in its environment; its log, message and result show stars, and the workspace has it nowhere."""
    anywhere.step("uses", SHOW + "say(str(len(os.environ['TOKEN'])))", secrets={"TOKEN": "env:MY_TOKEN"})
    result = succeeded(anywhere.run())
    uses = result.step_results["uses"]
    assert (said(uses), uses.message) == (str(len(SECRET)), "used ***")
    log = uses.log.read_text()
    assert "it is ***\n" in log
    assert log.count("***") == 4
    assert holding(anywhere.workspace, SECRET) == []
    plan = json.loads((result.folder / "plan.json").read_text())
    assert plan["steps"][0]["secrets"]["TOKEN"]["variable"] == "MY_TOKEN"
    assert SECRET not in "".join(capfd.readouterr())


def test_as_a_file(anywhere):
    """A step reads it from /run/secrets, where it can't be changed; on this machine it is gone with the step."""
    anywhere.step(
        "uses",
        "import stat\nkey = Path('/run/secrets/KEY'); print(key.read_text())\n"
        "try:\n    key.write_text('')\nexcept OSError:\n    say(f'{len(key.read_text())} {\"KEY\" in os.environ}')\n",
        secrets={"KEY": {"from": "file:key.pem", "as": "file"}},
    )
    result = succeeded(anywhere.run())
    assert said(result.step_results["uses"]) == f"{len(LINES)} False"
    assert result.step_results["uses"].log.read_text() == "***\n"
    assert holding(anywhere.workspace, *LINES.split()) == []


@pytest.mark.parametrize("how", ["sys.exit(3)", "os.kill(os.getpid(), 9)", "say('a,b\\n1,2\\n', name='x.parquet')"])
def test_after_a_failure(anywhere, how):
    """A step that fails, is killed, or breaks its contract leaves no secret behind, not even in its attempt."""
    secrets = {"TOKEN": "env:MY_TOKEN", "KEY": {"from": "file:key.pem", "as": "file"}}
    anywhere.step("uses", SHOW + f"print(Path('/run/secrets/KEY').read_text(), flush=True); {how}", secrets=secrets)
    result = anywhere.run()
    assert not result.success
    assert SECRET not in result.model_dump_json()
    assert holding(anywhere.workspace, SECRET, "MIIabcdefgh") == []


def test_after_an_interruption(anywhere):
    """Ctrl-C leaves no secret in the workspace, on the terminal, or in a container that stays."""
    secrets = {"TOKEN": "env:MY_TOKEN", "KEY": {"from": "file:key.pem", "as": "file"}}
    anywhere.step("uses", SHOW + "say('x'); time.sleep(600)", secrets=secrets)
    with subprocess.Popen(
        anywhere.command("--json"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as running:
        wait_for(lambda: list(anywhere.workspace.glob("runs/*/steps/uses/attempt-1/outputs/out/said")))
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert SECRET not in out + err
    assert holding(anywhere.workspace, SECRET, "MIIabcdefgh") == []
    if anywhere.image:
        client = docker.from_env()
        run = next(anywhere.workspace.glob("runs/*")).name
        assert client.api.containers(all=True, filters={"label": f"cursus-sandbox.run={run}"}) == []
        client.close()


def test_for_all_steps_from_the_command_line(small):
    """`--secret` gives it to all steps; `plan` says where it is kept, and nothing says what it is."""
    small.step("one", SHOW + "say('x')", secrets={"TOKEN": "env:OTHER_TOKEN"})
    small.step("two", SHOW + "say('x')")
    environment = {**os.environ, "OTHER_TOKEN": OTHER}
    words = ["--secret", "TOKEN=env:MY_TOKEN"]
    ran = subprocess.run(
        small.command(*words, "--json"), capture_output=True, text=True, env=environment, timeout=120, check=False
    )
    assert ran.returncode == 0, ran.stderr
    planned = subprocess.run(
        [small.command()[0], "plan", str(small.document), *words],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
        check=True,
    )
    assert "secret   TOKEN <- env:OTHER_TOKEN  (environment)" in planned.stdout
    assert "secret   TOKEN <- env:MY_TOKEN  (environment)" in planned.stdout
    everything = ran.stdout + ran.stderr + planned.stdout + planned.stderr
    assert not any(secret in everything for secret in (SECRET, OTHER))
    assert holding(small.workspace, SECRET, OTHER) == []


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        ("env:NOT_SET_ANYWHERE", "this variable is not set"),
        ("env:TOO_SHORT", "it has fewer than 4 characters, and could not be masked"),
        ("file:gone.pem", "this file can't be read: No such file or directory"),
        ("file:.", "this file can't be read: "),
        ("file:binary", "it is no text: hand it over as a file,  {from: …, as: file}"),
    ],
)
def test_what_cannot_be_had(small, monkeypatch, kept, said):
    """A secret that isn't there, or can't be handed over, is an error with code 2 before anything is started."""
    monkeypatch.setenv("TOO_SHORT", "abc")
    (small.folder / "binary").write_bytes(b"\xff\xfe\xff\xfe")
    small.step("uses", secrets={"TOKEN": kept})
    with pytest.raises(DocumentError) as raised:
        small.run()
    assert f"step 'uses' needs the secret TOKEN ({kept[:4]}" in str(raised.value)
    assert said in str(raised.value)
    assert not small.workspace.exists()


@pytest.mark.parametrize("written", [SECRET, f"env:{SECRET}\0", {"from": SECRET}, {"from": "env:A", "as": SECRET}, 7])
def test_a_secret_that_is_written_down(small, written):
    """A document that holds the secret itself is refused, and the error doesn't quote it."""
    small.step("uses", secrets={"TOKEN": written})
    with pytest.raises(DocumentError, match=r"a secret is env:VARIABLE or file:PATH") as raised:
        small.run()
    assert SECRET not in str(raised.value)


def test_a_variable_that_a_contract_requires(small):
    """A secret is as good as a value of `env`, and goes before one."""
    small.step("uses", "say(str(len(os.environ['TOKEN'])))", secrets={"TOKEN": "env:MY_TOKEN"}, env={"TOKEN": "plain"})
    contract = small.folder / "contracts/uses.step.yaml"
    contract.write_text(contract.read_text() + "  env_vars:\n    required: [TOKEN]\n")
    assert said(succeeded(small.run()).step_results["uses"]) == str(len(SECRET))


def test_on_the_process_engine(small):
    """Where nothing is isolated a script's main has it among its variables; a file in /run/secrets it can't have."""
    script = "def main(inputs, outputs, variables, args):\n    say(str(len(variables['TOKEN'])), name='x')\n"
    small.step(
        "uses", script.replace("say(", "(Path(outputs['out']) / 'x').write_text("), secrets={"TOKEN": "env:MY_TOKEN"}
    )
    small.write("scripts/uses.py", (small.folder / "scripts/uses.py").read_text().replace(", name='x'", ""))
    result = succeeded(small.run(engine="process"))
    assert said(result.step_results["uses"], name="x") == str(len(SECRET))
    assert holding(small.workspace, SECRET) == []
    small.steps["uses"]["secrets"] = {"TOKEN": {"from": "env:MY_TOKEN", "as": "file"}}
    with pytest.raises(DocumentError, match="the process engine has no /run/secrets"):
        small.run(engine="process")
