"""How S3 is reached: endpoint, region and credentials, and what its refusals mean.

Credentials stay in this process: a step has the environment that its plan says and nothing else. Without a profile
they are looked for where AWS's tools look, by the SDK inside of pyarrow.
"""

from __future__ import annotations

import configparser
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cursus_sandbox.errors import MachineError, did_you_mean
from cursus_sandbox.pipeline.source import S3Access, S3Objects

_CODE = re.compile(
    r"AWS Error ([A-Z_]+)(?: \(HTTP status (\d+)\))? during \w+ operation: (.*?)(?: \(Request ID.*)?$", re.DOTALL
)
_CONNECT, _ANSWER = 10, 60  # seconds
_KEYS = {"aws_access_key_id": "access_key", "aws_secret_access_key": "secret_key", "aws_session_token": "session_token"}
_UNKNOWN_KEYS = {"INVALID_ACCESS_KEY_ID", "SIGNATURE_DOES_NOT_MATCH", "INVALID_SIGNATURE", "UNRECOGNIZED_CLIENT"}


class S3Error(MachineError):
    """S3 could not be asked: it can't be reached, or refused."""


class NoSuchObjectsError(Exception):
    """Nothing is there under that name; `hint` may say what is."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.hint = hint


def connected(source: S3Objects, **how: bool) -> Any:
    """Pyarrow's file system for a source, its bucket's region found if nobody says it. S3Error without credentials.

    `how` is what else it is told.
    """
    from pyarrow import fs  # type: ignore[import-untyped]  # noqa: PLC0415 -- only where S3 is read

    options = _options(source, os.environ)
    if "region" not in options:
        try:
            options["region"] = fs.resolve_s3_region(source.bucket)
        except OSError as error:
            raise refusal(source, error) from error
    return fs.S3FileSystem(connect_timeout=_CONNECT, request_timeout=_ANSWER, **how, **options)


def as_reached(source: S3Objects) -> S3Objects:
    """The source with its server and region as they are found here, for who reaches it from elsewhere."""
    options = _options(source, os.environ)
    found = {"endpoint_url": options.get("endpoint_override"), "region": options.get("region")}
    return source.model_copy(update={name: value for name, value in found.items() if value})


def endpoint_of(settings: S3Access) -> str:
    """The server's address; empty for AWS's own."""
    return str(_options(settings, os.environ).get("endpoint_override", ""))


def refusal(source: S3Objects, error: OSError) -> Exception:
    """What an error of pyarrow's means: S3Error, or NoSuchObjectsError."""
    if isinstance(error, FileNotFoundError):
        return NoSuchObjectsError(f"there is nothing at {source.uri}")
    found = _CODE.search(str(error))
    code, status, said = found.groups() if found else ("", "", str(error))
    at = endpoint_of(source) or "AWS"
    if code == "NO_SUCH_BUCKET" or ("not found" in str(error).lower() and "bucket" in str(error).lower()):
        return NoSuchObjectsError(f"there is no bucket '{source.bucket}' at {at}")
    if code == "NETWORK_CONNECTION":
        return S3Error(
            f"{source.uri}: {at} can't be reached: {said.rpartition('Details: ')[2].strip()}",
            hint="Is there a network, and is the address right?  s3: {endpoint_url: …}",
        )
    if code in _UNKNOWN_KEYS:
        return S3Error(
            f"{source.uri}: {at} does not take the credentials of {_who(source)}: {said.strip()}",
            hint="Renew them, or name others:  s3: {profile: NAME}",
        )
    if code == "ACCESS_DENIED" or status == "403":
        return S3Error(
            f"{source.uri}: {at} denies access with {_who(source)}",
            hint="It must be allowed to list the bucket and to read from it. Other credentials:  s3: {profile: NAME}",
        )
    return S3Error(f"{source.uri}: {at} answered {code or 'with an error'}: {said.strip() or 'no more is said'}")


def _who(settings: S3Access) -> str:
    if settings.anonymous:
        return "no credentials (anonymous)"
    return f"profile '{settings.profile}'" if settings.profile else "what the environment and ~/.aws say, if anything"


def _options(settings: S3Access, environment: Mapping[str, str]) -> dict[str, Any]:
    """The file system's options, as far as they are said: in the settings, in the profile, in the environment."""
    options: dict[str, Any] = {}
    endpoint, region = settings.endpoint_url, settings.region
    if settings.anonymous:
        options["anonymous"] = True
    elif settings.profile:
        section = _profile(settings.profile, environment)
        options = {ours: section[theirs] for theirs, ours in _KEYS.items() if theirs in section}
        endpoint, region = endpoint or section.get("endpoint_url"), region or section.get("region")
        if "access_key" not in options or "secret_key" not in options:
            raise S3Error(
                f"the AWS profile '{settings.profile}' has no keys of its own: it gets them from elsewhere",
                hint=f"Put them into the environment, and leave the profile away:  "
                f'eval "$(aws configure export-credentials --profile {settings.profile} --format env)"',
            )
    endpoint = endpoint or environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL")
    region = region or environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    if endpoint:
        options["endpoint_override"] = endpoint.rstrip("/")
        region = region or "us-east-1"  # what servers that aren't AWS's expect
    if region:
        options["region"] = region
    return options


def _profile(name: str, environment: Mapping[str, str]) -> dict[str, str]:
    """A profile's section of ~/.aws/config and ~/.aws/credentials, the latter's word before the former's."""
    home = Path.home() / ".aws"
    files = {
        Path(environment.get("AWS_CONFIG_FILE") or home / "config"): f"profile {name}" if name != "default" else name,
        Path(environment.get("AWS_SHARED_CREDENTIALS_FILE") or home / "credentials"): name,
    }
    section: dict[str, str] = {}
    known: list[str] = []
    for file, title in files.items():
        parser = configparser.RawConfigParser()
        try:
            parser.read(file)
        except (configparser.Error, UnicodeDecodeError, OSError) as error:
            line = getattr(error, "lineno", None)  # what stands there may be a secret
            raise S3Error(f"{file}{f':{line}' if line else ''} can't be read as AWS's tools write it") from error
        known += [one.removeprefix("profile ") for one in parser.sections()]
        if parser.has_section(title):
            section |= parser[title]
    if not section:
        where = " or ".join(map(str, files))
        raise S3Error(f"there is no AWS profile '{name}' in {where}", hint=did_you_mean(name, known))
    return section
