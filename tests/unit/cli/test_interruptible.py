"""Commands that a signal ends."""

import os
import signal
from functools import partial

import pytest
import typer

from cursus_sandbox.cli.interruption import interruptible
from cursus_sandbox.errors import Terminated
from cursus_sandbox.interruptions import Interruptions

HANDLERS = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}


class Dying:
    """What gets a signal while it is collected: Python drops what the handler raises there."""

    def __init__(self, number):
        self.number = number

    def __del__(self):
        os.kill(os.getpid(), self.number)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)])
def test_a_signal_ends_a_command(number, code, capsys):
    """With its exit code and in a word, also where Python drops what a handler raises; handlers are as they were."""
    for strike in (partial(os.kill, os.getpid()), Dying):
        with pytest.raises(typer.Exit) as ended, interruptible():
            strike(number)
        assert ended.value.exit_code == code
        assert capsys.readouterr().err == "error: interrupted\n"
        assert {number: signal.getsignal(number) for number in HANDLERS} == HANDLERS


def test_a_signal_that_a_run_answers():
    """What became of it is what the run says."""
    with interruptible(), Interruptions() as interruptions:
        interruptions.hold()
        os.kill(os.getpid(), signal.SIGTERM)
        assert isinstance(interruptions.next(), Terminated)
        interruptions.answered = True


def test_who_ignores_a_signal_goes_on():
    """As under nohup."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, HANDLERS[signal.SIGHUP])
