"""What a transform makes of servers that answer too slowly, or too much."""

import socket
import threading
import time
from contextlib import ExitStack, contextmanager, suppress

import pytest

from cursus_sandbox.engines.engine import Door
from cursus_sandbox.pipeline.transform import TransformSettings
from cursus_sandbox.sagemaker import transform
from cursus_sandbox.sagemaker.transform import Transform

WELL = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def drip(connection):
    """A header without an end, for ten seconds: no wait for the next byte is long."""
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    give_up = time.monotonic() + 10
    while time.monotonic() < give_up:
        connection.sendall(b"X: y\r\n")
        time.sleep(0.05)


@pytest.fixture
def served(tmp_path):
    """A transform of one record by a server that answers as it is told to for each path, else well."""

    @contextmanager
    def entered(answers, **settings):
        (tmp_path / "in").mkdir()
        (tmp_path / "in/record").write_bytes(b"1,2\n")
        (tmp_path / "out").mkdir()
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(tmp_path / "door"))
            listening.listen()
            threading.Thread(target=serve, args=(listening, answers), daemon=True).start()
            settings = TransformSettings().model_copy(update=settings)  # in fractions of a second, too
            one = Transform(settings, tmp_path / "in", tmp_path / "out", tell=lambda _: None)
            one.visit(Door(tmp_path / "door"))
            yield one

    def serve(listening, answers):
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                threading.Thread(target=answer, args=(connection, answers), daemon=True).start()

    def answer(connection, answers):
        with suppress(OSError), connection:
            path = connection.recv(1 << 16).split()[1].decode()
            answers.get(path, lambda one: one.sendall(WELL))(connection)

    with ExitStack() as left:
        yield lambda answers, **settings: left.enter_context(entered(answers, **settings))


def test_a_health_check_that_drips(served):
    """A server that answers /ping byte by byte is not healthy when its time is up, however short each wait is."""
    began = time.monotonic()
    one = served({"/ping": drip}, container_startup_health_check_timeout_in_seconds=0.2)
    assert one.failure.startswith("its server was not healthy within 0.2 s: GET /ping was not answered in")
    assert time.monotonic() - began < 5


def test_an_answer_that_drips(served):
    """An answer to a record is to be there, whole, when its time is up."""
    one = served({"/invocations": drip}, invocations_timeout_in_seconds=0.2)
    assert one.failure == "record: POST /invocations was not answered in 0.2 s"


def test_an_answer_without_end(served, monkeypatch):
    """An answer that no memory could hold is not read to its end."""
    monkeypatch.setattr(transform, "_LARGEST_ANSWER", 1 << 20)

    def flood(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(bytes(1 << 16))

    assert served({"/invocations": flood}).failure == "record: /invocations answered with more than 1 MB"


def test_what_a_dripping_server_offers(served, monkeypatch):
    """A server that never tells its parameters has none, and its records are sent."""
    monkeypatch.setattr(transform, "_PING_TIMEOUT", 0.2)
    assert served({"/execution-parameters": drip}).done
