"""Where small pipelines run: the engines and images that are here, as fixtures."""

from __future__ import annotations

from pathlib import Path

import pytest
from lacking import lacking
from small_pipeline import SmallPipeline

from cursus_sandbox.engines.docker import DockerEngine
from cursus_sandbox.engines.engine import Engine
from cursus_sandbox.engines.local import LocalEngine
from cursus_sandbox.errors import EngineError

IMAGE = "xgb:latest"
ENGINES = ["local", pytest.param("docker", marks=[pytest.mark.docker, pytest.mark.images])]


def local_engine() -> Engine:
    """The local engine; skips with the sentence that says how to get it, or fails where it is required."""
    try:
        return LocalEngine.connect()
    except EngineError as error:
        lacking("local", error)


def image_or_skip(image: str = IMAGE) -> str:
    """The name of the image; skips, or fails where they are required, without a daemon or without the image."""
    try:
        engine: Engine = DockerEngine.connect()
    except EngineError as error:
        lacking("docker", error)
    with engine:
        try:
            engine.require([image])
        except EngineError as error:
            lacking("images", error)
    return image


@pytest.fixture(scope="session")
def local() -> None:
    """The local engine can be used here."""
    local_engine()


@pytest.fixture(scope="session")
def image() -> str:
    return image_or_skip()


@pytest.fixture(params=ENGINES)
def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> SmallPipeline:
    """A small pipeline, on each engine in turn."""
    needed = request.getfixturevalue("image" if request.param == "docker" else "local")
    return SmallPipeline(tmp_path, request.param, needed)


@pytest.fixture
def small(tmp_path: Path, local: None) -> SmallPipeline:
    """A small pipeline on the local engine, where the engine makes no difference."""
    return SmallPipeline(tmp_path, "local")


@pytest.fixture
def in_docker(tmp_path: Path, image: str) -> SmallPipeline:
    """A small pipeline on docker alone."""
    return SmallPipeline(tmp_path, "docker", image)
