"""An authority of the suite's own, for a tap in front of a client that dials TLS only."""

from __future__ import annotations

import importlib.util
import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

PACKAGE = "cryptography"
LIFE_DAYS = 1


def available() -> bool:
    """Say whether a certificate can be made here."""
    return importlib.util.find_spec(PACKAGE) is not None


def make(folder: Path) -> tuple[Path, Path, Path]:
    """Write an authority, and a certificate for 127.0.0.1 with its key; return the three files."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    def builder(subject: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .issuer_name(name("VoiceEngine conformance"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=LIFE_DAYS))
        )

    authority_key = ec.generate_private_key(ec.SECP256R1())
    server_key = ec.generate_private_key(ec.SECP256R1())
    authority = (
        builder("VoiceEngine conformance", authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    addresses: list[x509.GeneralName] = [
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    ]
    certificate = (
        builder("127.0.0.1", server_key)
        .add_extension(x509.SubjectAlternativeName(addresses), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = server_key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    contents = {
        "authority.pem": authority.public_bytes(pem),
        "certificate.pem": certificate.public_bytes(pem),
        "key.pem": private,
    }
    for file, content in contents.items():
        (folder / file).write_bytes(content)
    return folder / "authority.pem", folder / "certificate.pem", folder / "key.pem"
