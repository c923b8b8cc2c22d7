"""A small pipeline on every engine that is here."""

from places import anywhere, image, in_docker, local, small

__all__ = ["anywhere", "image", "in_docker", "local", "small"]
