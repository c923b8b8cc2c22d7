"""Steps that fail in every way a step can fail, and what the command makes of it."""

import pytest


def test_a_step_that_fails(box):
    """A step's own exit code is named; what depends on it is skipped, the rest goes on: 1."""
    box.step("bad", "print('about to fail', flush=True); sys.exit(7)")
    box.step("after", reads={"data": "bad:out"})
    box.step("other")
    ended = box.run(code=1)
    assert {step["step"]: step["status"] for step in ended.result["steps"]} == {
        "bad": "failed",
        "after": "skipped",
        "other": "succeeded",
    }
    assert (ended.step("bad")["exit_code"], ended.step("bad")["log_end"]) == (7, ["about to fail"])
    assert ended.log("bad").startswith("about to fail\n--- failed: exit code 7 ---\n")


def test_out_of_memory(box):
    """A step that takes more memory than it may has failed for that, and the limit is named."""
    box.step("hog", "hog = []\nwhile True: hog.append(b'x' * 1024 ** 2)", resources={"memory": "60m"})
    ended = box.run(code=1)
    assert (ended.step("hog")["exit_code"], "the limit is 60 MB" in ended.step("hog")["why"]) == (137, True)


@pytest.mark.parametrize("leaves", ["time.sleep(600)", "sys.exit(0)"])
def test_a_step_that_traps_the_end_of_its_time(box, leaves):
    """A step whose time is up has timed out, though it traps TERM: if it exits 0 then, or has to be killed."""
    box.step(
        "slow",
        f"import signal; signal.signal(signal.SIGTERM, lambda *_: {leaves})\ntime.sleep(600)",
        timeout="1s",
        grace="1s",
    )
    ended = box.run(code=1)
    assert ended.step("slow")["why"] == "timed out after 1 s"


def test_what_a_step_leaves_running(box):
    """Processes that a step leaves behind end with it, though they left its session."""
    leaves = (
        "import subprocess\nfor _ in range(3): subprocess.Popen(['sleep', '600'], start_new_session=True)\nsay('x')"
    )
    box.step("leaver", leaves)
    ended = box.run(code=0)
    assert ended.seconds < 60


LOSES_A_CHILD = """
import subprocess
hog = subprocess.run([sys.executable, '-c', "hog = []\\nwhile True: hog.append(b'x' * 1024 ** 2)"], check=False)
say(str(hog.returncode))
"""


def test_a_child_out_of_memory(docker_box):
    """A step whose child was killed for want of memory, and that ends well, has a warning; --strict fails it."""
    docker_box.step("parent", LOSES_A_CHILD, resources={"memory": "60m"})
    ended = docker_box.run(code=0)
    assert ended.step("parent")["warnings"] == [
        "one of its processes was killed for want of memory, the limit is 60 MB, and it went on without it"
    ]
    assert (ended.run / "steps/parent/outputs/out/said").read_text() == "-9"
    strict = docker_box.run("--strict", code=1)
    assert strict.step("parent")["why"] == "it left warnings, and --strict takes them for errors"


FILLS_SHARED_MEMORY = """
import mmap
fd = os.open('/dev/shm/full', os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, 20 << 20)
mmap.mmap(fd, 20 << 20).write(bytes(20 << 20))
"""


def test_full_shared_memory(box):
    """A step that fills a small /dev/shm is ended by SIGBUS: its size is named, and how to get more."""
    box.step("shared", FILLS_SHARED_MEMORY, resources={"shm_size": "8m"})
    shared = box.run(code=1).step("shared")
    assert shared["exit_code"] == 135
    assert "as when /dev/shm is full, which has 8 MB. Give it more:  resources: {shm_size: 4g}" in shared["why"]


SMALL_FILES = (
    "import resource, signal; resource.setrlimit(resource.RLIMIT_FSIZE, (9, 9))"
    "; signal.signal(signal.SIGXFSZ, signal.SIG_DFL)"
)


@pytest.mark.parametrize(
    ("ends", "code", "said"),
    [
        ("os.kill(os.getpid(), 9)", 137, "killed by SIGKILL (exit code 137), not by us (it has no memory limit)"),
        ("os.kill(os.getpid(), 11)", 139, "killed by SIGSEGV (exit code 139): a crash in native code"),
        ("os.kill(os.getpid(), 15)", 143, "killed by SIGTERM (exit code 143), not by us"),
        (f"{SMALL_FILES}; say('much too much')", 153, "a file larger than its limit"),
        ("os._exit(127)", 127, "the command was not found"),
    ],
    ids=["KILL", "SEGV", "TERM", "XFSZ", "127"],
)
def test_ended_by_a_signal(box, ends, code, said):
    """A step that a signal ended has 128 and its number as exit code, and what that means is said."""
    box.step("bad", ends)
    bad = box.run(code=1).step("bad")
    assert (bad["exit_code"], said in bad["why"]) == (code, True), bad["why"]
