"""`pip install` in a step without a network: at once, whether or not there is anything to install."""

import pytest
from small_pipeline import succeeded

INSTALL = (
    "import subprocess; subprocess.run([sys.executable, '-m', 'pip', 'install', {wanted!r}], check=True); say('x')"
)


def test_what_is_installed_is_well(anywhere):
    """A requirement that is met is a line in the log, and the step goes on; its environment is as it was."""
    anywhere.step("one", INSTALL.format(wanted="numpy") + "\nsay(json.dumps([n for n in os.environ if 'PIP' in n]))")
    one = succeeded(anywhere.run()).step_results["one"]
    assert "Requirement already satisfied: numpy" in one.log.read_text()
    assert (one.outputs["out"] / "said").read_text() == "[]"
    assert one.seconds < 60


def test_what_is_missing_is_named(anywhere):
    """One that isn't fails the step at once, with what pip wanted and what to do."""
    anywhere.step("one", INSTALL.format(wanted="no-such-package-of-ours==1.2"))
    one = anywhere.run().step_results["one"]
    assert one.why == (
        "exit code 1: pip could not install no-such-package-of-ours==1.2: it is not in the image, and the step has no "
        "network (--network bridge)"
    )


@pytest.mark.parametrize("shim", [True, False])
def test_it_can_be_left_away(anywhere, shim):
    """With `pip_shim: false`, or a network, pip finds its own settings."""
    anywhere.step(
        "one",
        "import subprocess; say(subprocess.check_output([sys.executable, '-m', 'pip', 'config', 'list'], text=True))",
        pip_shim=shim,
    )
    said = (succeeded(anywhere.run()).step_results["one"].outputs["out"] / "said").read_text()
    assert ("no-index" in said) == shim


def test_a_network_on_demand(anywhere):
    """With --network bridge the step has a network, and pip its own settings; without, the loopback alone."""
    script = "say(' '.join(line.split(':')[0].strip() for line in open('/proc/net/dev') if ':' in line))"
    anywhere.step("one", script)
    interfaces = (succeeded(anywhere.run()).step_results["one"].outputs["out"] / "said").read_text()
    assert interfaces == "lo"
    interfaces = (succeeded(anywhere.run(network=True)).step_results["one"].outputs["out"] / "said").read_text()
    assert len(interfaces.split()) > 1
