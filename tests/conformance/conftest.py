"""A small pipeline on every engine that is here, and one whose image has AWS's own toolkit."""

from __future__ import annotations

from pathlib import Path

import pytest
from places import anywhere, image, image_or_skip, in_docker, local
from small_pipeline import SmallPipeline

__all__ = ["anywhere", "image", "in_docker", "local"]


@pytest.fixture
def toolkit(tmp_path: Path) -> SmallPipeline:
    """A small pipeline on docker, in the image that has the sagemaker-training toolkit."""
    return SmallPipeline(tmp_path, "docker", image_or_skip("sagemaker-training:latest"))
