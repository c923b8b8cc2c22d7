"""What becomes of signals while steps run."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from cursus_sandbox.interruptions import Interruptions, Raising


def ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)


def test_a_signal_before_anything_runs():
    """Until they are held, signals interrupt as they always do; then the handlers are what they were."""
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), Interruptions():
        ctrl_c()
    assert signal.getsignal(signal.SIGINT) is before


def test_signals_that_are_held():
    """Each is a word in a queue, whatever was going on, and the queue has an end."""
    with Interruptions() as interruptions:
        interruptions.hold()
        for _ in range(3):
            ctrl_c()
        interruptions.over()
        assert [type(interruptions.next()) for _ in range(4)] == [KeyboardInterrupt] * 3 + [type(None)]
        interruptions.answered = True


def test_a_signal_that_nobody_answered():
    """One that comes when nobody asks any more is raised on leaving, and not over an error."""

    def interrupted(*, broken=False):
        with Interruptions() as interruptions:
            interruptions.hold()
            ctrl_c()
            if broken:
                raise ZeroDivisionError

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with pytest.raises(ZeroDivisionError):
        interrupted(broken=True)


class Dying:
    """What gets a signal while it is collected: Python drops what the handler raises there."""

    def __del__(self):
        ctrl_c()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("entered", [False, True])
def test_a_signal_that_python_drops(entered):
    """What was raised where nothing can be raised is raised as soon as there is something to interrupt."""

    def interrupted():
        if not entered:
            Dying()
        with Interruptions() as interruptions:
            if entered:
                Dying()
            interruptions.hold()
            pytest.fail("it went on")

    before = signal.signal(signal.SIGINT, Raising(KeyboardInterrupt))
    try:
        with pytest.raises(KeyboardInterrupt):
            interrupted()
    finally:
        signal.signal(signal.SIGINT, before)


def test_handlers_of_others():
    """A handler that raises nothing does what it does, an ignored signal stays ignored, and both are there again."""
    heard = []
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    handler = lambda number, _: heard.append(number)  # noqa: E731
    signal.signal(signal.SIGTERM, handler)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interruptions() as interruptions:
            interruptions.hold()
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGHUP)
            interruptions.over()
            assert interruptions.next() is None
        assert heard == [signal.SIGTERM]
        assert signal.getsignal(signal.SIGTERM) is handler
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        for number, one in before.items():
            signal.signal(number, one)


def test_another_thread():
    """In a thread that gets no signals nothing is changed."""

    def handler():
        with Interruptions() as interruptions:
            interruptions.hold()
            return signal.getsignal(signal.SIGINT)

    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(handler).result() is signal.getsignal(signal.SIGINT)


def test_a_signal_that_another_thread_got():
    """The kernel may give a signal to any thread: it is heard all the same, and soon."""
    with Interruptions() as interruptions, ThreadPoolExecutor(1) as thread:
        interruptions.hold()
        thread.submit(lambda: (time.sleep(0.05), signal.pthread_kill(threading.get_ident(), signal.SIGINT)))
        assert isinstance(interruptions.next(), KeyboardInterrupt)
        interruptions.answered = True


def test_a_flood_of_signals():
    """As many as another process can send are heard, and none comes out."""
    flood = "import os, sys\nwhile True: os.kill(int(sys.argv[1]), 2)"
    with Interruptions() as interruptions:
        interruptions.hold()
        with subprocess.Popen([sys.executable, "-c", flood, str(os.getpid())]) as sender:
            heard = [interruptions.next() for _ in range(2000)]
            sender.kill()
        interruptions.answered = True
    assert {type(one) for one in heard} == {KeyboardInterrupt}
