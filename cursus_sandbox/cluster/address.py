"""Where a Dask scheduler is: `dask://host:port`, or `dask+tls://host:port`."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from cursus_sandbox.errors import EngineError

if TYPE_CHECKING:
    from distributed.security import Security

_PORT = 8786
_SCHEMES = {"dask": "tcp", "dask+tls": "tls"}
_SECONDS = 5.0
_OF_TLS = {  # in Dask's configuration, each also a variable: DASK_DISTRIBUTED__COMM__TLS__CA_FILE, ...
    "tls_ca_file": "distributed.comm.tls.ca-file",
    "tls_client_cert": "distributed.comm.tls.client.cert",
    "tls_client_key": "distributed.comm.tls.client.key",
}
_HOW_TO_TLS = (
    f"Name PEM files in Dask's configuration: {', '.join(_OF_TLS.values())},\n"
    "or in variables: DASK_DISTRIBUTED__COMM__TLS__CA_FILE, ...__CLIENT__CERT, ...__CLIENT__KEY"
)


def contact(address: str) -> str:
    """The address as Dask has it: `tcp://host:port`. ValueError where it is none."""
    try:
        parts = urlsplit(address)
        scheme, host, port = _SCHEMES[parts.scheme], parts.hostname, parts.port or _PORT
    except (KeyError, ValueError):
        host = None
    if not host or parts.path.strip("/") or parts.query or parts.username:
        raise ValueError(f"{address!r} is neither local nor the address of a Dask scheduler, dask://HOST:8786")
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def require_scheduler(address: str) -> None:
    """EngineError, within seconds, where no scheduler is at a contact address, but nobody or somebody else.

    So it is where TLS can't be spoken with it, for want of certificates that both sides trust.
    """
    from distributed.security import Security

    parts, security = urlsplit(address), Security()
    if parts.scheme == _SCHEMES["dask+tls"]:
        _require_certificates(security)
    try:
        socket.create_connection((parts.hostname or "", parts.port or _PORT), timeout=_SECONDS).close()
    except OSError as error:
        raise EngineError(
            f"nobody answers at {parts.netloc}: {error.strerror or error}",
            hint="Start a scheduler there (dask scheduler), or run here:  --scheduler local",
        ) from error
    try:
        told = asyncio.run(asyncio.wait_for(_identity(address, security), _SECONDS))
    except Exception:  # noqa: BLE001 -- whoever answers there may say anything
        _tell_of_tls(parts, security)
        told = ""
    if told != "Scheduler":
        what = f"it is a {told.lower()}" if told else "it does not answer as one that we can talk to"
        raise EngineError(
            f"what listens at {parts.netloc} is no Dask scheduler: {what}",
            hint="Is it the scheduler's port (8786), and not its dashboard's (8787) or a worker's?",
        )


async def _identity(address: str, security: Security) -> str:
    """What kind of Dask's servers is there."""
    from distributed.core import rpc

    async with rpc(address, connection_args=security.get_connection_args("client"), timeout=_SECONDS) as there:
        return str((await there.identity()).get("type", ""))


def _require_certificates(security: Security) -> None:
    """EngineError where Dask's configuration names no certificates for us, or some that can't be used."""
    named = {setting: getattr(security, setting) for setting in _OF_TLS}
    if missing := [_OF_TLS[setting] for setting, value in named.items() if not value]:
        raise EngineError(f"for TLS, Dask's configuration lacks {', '.join(missing)}", hint=_HOW_TO_TLS)
    for setting, value in named.items():
        if "\n" not in value and not Path(value).is_file():  # or it is the certificate itself
            raise EngineError(f"{_OF_TLS[setting]} of Dask's configuration is no file: {value}", hint=_HOW_TO_TLS)
    try:
        security.get_connection_args("client")
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        why = getattr(error, "reason", None) or error
        raise EngineError(
            f"the certificates of Dask's configuration can't be used: {why}",
            hint="\n".join(f"{_OF_TLS[setting]}: {_said(value)}" for setting, value in named.items()),
        ) from error


def _said(value: str) -> str:
    return "given in the configuration itself" if "\n" in value else value


def _tell_of_tls(parts: SplitResult, security: Security) -> None:
    """EngineError where it is for TLS that somebody could not be talked to."""
    where = parts.netloc
    if parts.scheme == _SCHEMES["dask"]:
        if _speaks_tls(parts):
            raise EngineError(
                f"what listens at {where} speaks TLS", hint=f"Name it so:  --scheduler dask+tls://{where}"
            )
        return
    try:
        _greet(parts, security.get_connection_args("client")["ssl_context"])
    except ssl.SSLCertVerificationError as error:
        raise EngineError(
            f"the certificate of what listens at {where} isn't trusted: {error.verify_message}",
            hint=f"{_OF_TLS['tls_ca_file']} of Dask's configuration must name the authority that signed it.",
        ) from error
    except ssl.SSLError as error:
        if error.reason == "WRONG_VERSION_NUMBER":
            raise EngineError(
                f"what listens at {where} does not speak TLS", hint=f"Without it:  --scheduler dask://{where}"
            ) from error
        raise EngineError(
            f"what listens at {where} does not take our certificate: {error.reason}",
            hint=f"{_OF_TLS['tls_client_cert']} of Dask's configuration must be signed by an authority that it trusts.",
        ) from error
    except OSError:
        return


def _speaks_tls(parts: SplitResult) -> bool:
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE  # nothing is told to who is there
    try:
        _greet(parts, anybody)
    except ssl.SSLError as error:
        return error.reason != "WRONG_VERSION_NUMBER"
    except OSError:
        return False
    return True


def _greet(parts: SplitResult, context: ssl.SSLContext) -> None:
    """Greet whoever is there, and hear a first byte: with TLS 1.3 a certificate of ours is refused only then.

    OSError, such as SSLError, where that fails. Dask's own attempt loses the reason where it still writes meanwhile.
    """
    with (
        socket.create_connection((parts.hostname or "", parts.port or _PORT), timeout=_SECONDS) as plain,
        context.wrap_socket(plain) as secured,
    ):
        secured.recv(1)
