"""TLS: of the API, and to Redis."""

import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from api_client import document, problem, recommendations, running_api
from api_process import api_process
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from redis import Redis
from sample_release import sample_release

from assets.publish.release import publish
from serving_api import models
from serving_api.access.key_admin import create_key
from serving_api.access.scopes import ROLES

LISTS = "/v1/users/user_7/recommendations"


@pytest.fixture
def released(client: Redis, redis_url: str) -> str:
    publish(client, sample_release())
    return redis_url


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for loopback that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names: list[x509.GeneralName] = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    cert, private = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    private.write_bytes(key.private_bytes(*form))
    return cert, private


@contextmanager
def tls_in_front_of(redis_url: str, certificate: tuple[Path, Path]) -> Iterator[int]:
    """A port that speaks TLS and passes on to Redis, whose wheel is built without."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    target = httpx.URL(redis_url.replace("redis://", "http://"))
    listening = socket.create_server(("127.0.0.1", 0))

    def copy(source: socket.socket, sink: socket.socket) -> None:
        try:
            while part := source.recv(65_536):
                sink.sendall(part)
        except OSError:
            pass
        finally:
            for each in (source, sink):
                each.close()

    def accept() -> None:
        while True:
            try:
                plain, _ = listening.accept()
            except OSError:
                return
            try:
                encrypted = context.wrap_socket(plain, server_side=True)
            except OSError:
                plain.close()
                continue
            behind = socket.create_connection((target.host, int(target.port or 6379)))
            for pair in ((encrypted, behind), (behind, encrypted)):
                threading.Thread(target=copy, args=pair, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.close()


def test_the_api_speaks_tls(released: str, certificate: tuple[Path, Path], tmp_path: Path) -> None:
    cert, key = certificate
    environment = {"AUDOTICS_API_TLS_CERT": str(cert), "AUDOTICS_API_TLS_KEY": str(key)}
    with api_process(released, tmp_path, environment, certificate=cert) as api:
        assert api.url.startswith("https://")
        trusting = ssl.create_default_context(cafile=str(cert))
        with httpx.Client(base_url=api.url, verify=trusting) as connected:
            assert recommendations(connected, "user_7")["source"] == "personal"
        with pytest.raises(httpx.ConnectError, match="certificate"):
            httpx.get(f"{api.url}/livez")
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{api.url.replace('https', 'http')}/livez")


def test_redis_is_reached_by_tls_and_only_if_its_certificate_is_trusted(
    released: str, client: Redis, certificate: tuple[Path, Path]
) -> None:
    made = create_key(client, "app", sorted(ROLES["app"]), None)
    headers = {"Authorization": f"Bearer {made.secret}"}
    with tls_in_front_of(released, certificate) as port:
        url = f"rediss://{released.split('//')[1].split('@')[0] + '@' if '@' in released else ''}127.0.0.1:{port}"
        url += "/" + released.rsplit("/", 1)[1]
        with running_api(url, redis_ca=certificate[0], api_auth="keys") as api:
            assert document(api.get(LISTS, headers=headers), models.Recommendations)["source"] == "personal"
        with running_api(url, api_auth="keys") as distrusting:
            problem(distrusting.get(LISTS, headers=headers), 503, "access-unavailable")
