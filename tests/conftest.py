"""What holds for every test."""

import signal


def pytest_configure():
    """Tests send themselves Ctrl-C, also where whoever started them (`nohup`, a script's `&`) has it ignored."""
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)
