"""Dask with TLS: certificates of an authority of the test's own, and each way in which they can be wrong."""

import os
import subprocess

import pytest
import trustme
from dask_cluster import dask_cluster, refused

ROLES = ("SCHEDULER", "WORKER", "CLIENT")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def settings(folder):
    """Dask's settings for certificates that an authority signed; another authority's are beside them."""
    for name in ("ours", "other"):
        authority = trustme.CA()
        authority.cert_pem.write_to_path(folder / f"{name}-ca.pem")
        signed = authority.issue_cert("127.0.0.1")
        signed.cert_chain_pems[0].write_to_path(folder / f"{name}-cert.pem")
        signed.private_key_pem.write_to_path(folder / f"{name}-key.pem")
    named = {f"{role}__{kind}": f"ours-{kind.lower()}.pem" for role in ROLES for kind in ("CERT", "KEY")}
    named |= {"CA_FILE": "ours-ca.pem"}
    return {f"DASK_DISTRIBUTED__COMM__TLS__{name}": str(folder / file) for name, file in named.items()}


@pytest.fixture(scope="module")
def cluster(folder, settings):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        with dask_cluster(folder, "one", protocol="tls") as started:
            yield started


def test_a_run(small, cluster, settings):
    """Steps run where all have certificates of one authority."""
    small.step("step", "say('well')")
    line = small.command("--scheduler", cluster.address)
    done = subprocess.run(line, env=os.environ | settings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "ok: 1 succeeded" in done.stdout
    assert f"steps run on {cluster.address}" in done.stderr


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"CA_FILE": None}, "for TLS, Dask's configuration lacks distributed.comm.tls.ca-file"),
        ({"CLIENT__KEY": "nowhere.pem"}, "distributed.comm.tls.client.key of Dask's configuration is no file: "),
        ({"CLIENT__KEY": "other-key.pem"}, "the certificates of Dask's configuration can't be used: KEY_VALUES_MIS"),
        ({"CLIENT__CERT": "one.log"}, "the certificates of Dask's configuration can't be used: "),
        ({"CA_FILE": "other-ca.pem"}, "isn't trusted: "),
        ({"CLIENT__CERT": "other-cert.pem", "CLIENT__KEY": "other-key.pem"}, "does not take our certificate: "),
    ],
)
def test_certificates_that_do_not_serve(small, cluster, folder, settings, monkeypatch, changes, told):
    """What is wrong with them is said, and which setting to look at."""
    small.step("step")
    for name, file in changes.items():
        settings = settings | {f"DASK_DISTRIBUTED__COMM__TLS__{name}": str(folder / file) if file else ""}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    code, said = refused(small, cluster.address)
    assert code == 4
    assert told in said
    assert "distributed.comm.tls." in said


def test_one_side_speaks_tls_and_the_other_does_not(small, cluster, settings, tmp_path, monkeypatch):
    """Whichever it is, the address that would do is named."""
    small.step("step")
    code, said = refused(small, cluster.address.replace("dask+tls", "dask"))
    assert (code, f"speaks TLS\nName it so:  --scheduler {cluster.address}\n" in said) == (4, True)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with dask_cluster(tmp_path) as plain:
        code, said = refused(small, plain.address.replace("dask", "dask+tls"))
    assert (code, f"does not speak TLS\nWithout it:  --scheduler {plain.address}\n" in said) == (4, True)
