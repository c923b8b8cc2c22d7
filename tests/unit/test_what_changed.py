"""What differs between the ingredients of two runs of a step, in words."""

from cursus_sandbox.caching.ingredients import what_changed


def test_from_this_machine_to_an_image():
    """A step that went from this machine's Python to an image is told of the engine and of the image, once each."""
    local = {"engine": {"name": "local"}, "python": {"packages": "1"}}
    docker = {"engine": {"name": "docker"}, "image": {"xgb:latest": "sha256:1"}}
    said = "another engine: docker, not local; another image: xgb:latest, not this machine's Python"
    assert what_changed(local, docker) == said
    said = "another engine: local, not docker; another image: this machine's Python, not xgb:latest"
    assert what_changed(docker, local) == said


def test_another_python():
    """Where no image is there, this machine's Python may be another."""
    before = {"engine": {"name": "local"}, "python": {"packages": "1"}}
    assert what_changed(before, before | {"python": {"packages": "2"}}) == (
        "this machine's Python or its packages changed"
    )
