"""A program: hands connections to a unix socket on to a port of the network it runs in.

`relay.py FOLDER PORT` listens on `socket` in the folder; `relay.py FOLDER PORT PROCESS` goes into that process's
network first, and ends when its stdin does. It runs by itself, with nothing but the standard library.
"""

from __future__ import annotations

import fcntl
import os
import socket
import sys
import threading
from contextlib import suppress

NAME = "socket"
_GET_USERNS = 0xB701  # NS_GET_USERNS of ioctl_ns(2)
_PIECE = 65536


def enter_network_of(process: int) -> None:
    """Go into a process's network namespace, through the user namespace that owns it where that is another."""
    network = os.open(f"/proc/{process}/ns/net", os.O_RDONLY)
    owner = fcntl.ioctl(network, _GET_USERNS)
    here = os.open("/proc/self/ns/user", os.O_RDONLY)
    if os.fstat(owner).st_ino != os.fstat(here).st_ino:
        _set_namespace(owner)
    _set_namespace(network)


def _set_namespace(descriptor: int) -> None:
    import ctypes  # noqa: PLC0415 -- not where the relay alone is named

    if ctypes.CDLL(None, use_errno=True).setns(descriptor, 0):  # os.setns is Python 3.12's
        raise OSError(ctypes.get_errno(), "setns")


def serve(folder: str, port: int) -> None:
    """Take connections for ever; one that the port doesn't take is closed."""
    os.chdir(folder)  # a unix socket's path has at most 107 bytes
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(".new")
        listening.listen(128)
        os.rename(".new", NAME)  # noqa: PTH104 -- there when it takes connections, not before
        while True:
            threading.Thread(target=_hand_on, args=(listening.accept()[0], port), daemon=True).start()


def _hand_on(outside: socket.socket, port: int) -> None:
    with outside, suppress(OSError), socket.create_connection(("127.0.0.1", port)) as inside:
        back = threading.Thread(target=_copy, args=(inside, outside), daemon=True)
        back.start()
        _copy(outside, inside)
        back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    """Copy until the source says no more; then say so to the target."""
    try:
        while data := source.recv(_PIECE):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:  # one of the two is gone, so the other is told
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


def _end_with_stdin() -> None:
    os.read(0, 1)
    os._exit(0)


if __name__ == "__main__":
    if len(sys.argv) > 3:  # noqa: PLR2004
        enter_network_of(int(sys.argv[3]))
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    serve(sys.argv[1], int(sys.argv[2]))
