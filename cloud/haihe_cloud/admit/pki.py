"""The centre's own certificate authority: broker, centre and station certificates, and the receipt key.

Keys are P-256 (every TLS stack of a station's computer has it); receipts are signed with Ed25519.
"""

import datetime
import ipaddress
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from haihe_contract.clock import Clock
from haihe_contract.errors import FieldError
from haihe_contract.topic import is_station

from haihe_cloud.settings import CENTRE_PATTERN

from .files import PUBLIC, SECRET, write

CA_DAYS = 20 * 365
LEAF_DAYS = 3 * 365
"""Default validity: stations are visited once a year; renewal over the link is not there yet."""
_EARLY = datetime.timedelta(days=2)
_Key = ec.EllipticCurvePrivateKey


class Issued(NamedTuple):
    """A certificate and its key, as files."""

    certificate: Path
    key: Path


def centre_user(centre: str) -> str:
    """The MQTT user name of a centre; the hyphen keeps it apart from every station code."""
    return f"centre-{centre}"


class Pki:
    """A directory of keys: ``ca.pem ca.key broker.* centre.* receipt.key receipt.pub stations/CODE.*``.

    Args:
        directory: where they are.
        clock: certificates are valid from two days before its now, for stations whose clock is behind.
    """

    def __init__(self, directory: Path, clock: Clock) -> None:
        self.directory = directory
        self._clock = clock

    @property
    def ca(self) -> Path:
        """Certificate of the authority, for everybody."""
        return self.directory / "ca.pem"

    @property
    def receipt_key(self) -> Path:
        """Private key of receipts, for the centre."""
        return self.directory / "receipt.key"

    @property
    def receipt_public(self) -> Path:
        """Public key of receipts, for every station."""
        return self.directory / "receipt.pub"

    def init(self, *, days: int = CA_DAYS) -> None:
        """Make the authority.

        Raises:
            FieldError: when there is one: a second would cut off every station of the first.
        """
        path = self.directory / "ca.key"
        if path.exists():
            raise FieldError(
                "there is a certificate authority already",
                where=str(path),
                do="keep it, or choose another directory",
            )
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Haihe stations CA")])
        usage = _usage(signs_certificates=True)
        certificate = (
            self._builder(name, key, days)
            .issuer_name(name)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(key, hashes.SHA256())
        )
        write(path, _key_pem(key), SECRET)
        write(self.ca, certificate.public_bytes(serialization.Encoding.PEM), PUBLIC)

    def broker(self, hosts: Sequence[str], *, days: int = LEAF_DAYS) -> Issued:
        """Issue the broker's certificate for the names and addresses under which it is reached.

        Raises:
            FieldError: when a host is neither a name nor an address, or the authority cannot be used.
        """
        if not hosts:
            raise FieldError("the broker needs at least one host", do="for example: broker.example.org 10.0.0.2")
        names = [_general_name(host) for host in hosts]
        return self._issue("broker", hosts[0], ExtendedKeyUsageOID.SERVER_AUTH, names, days)

    def centre(self, centre: str, *, days: int = LEAF_DAYS) -> Issued:
        """Issue a centre's certificate.

        Raises:
            FieldError: when the name cannot be one, or the authority cannot be used.
        """
        if not re.match(CENTRE_PATTERN, centre):
            raise FieldError(f"{centre!r} is no name of a centre", do="small letters, digits and hyphens")
        return self._issue("centre", centre_user(centre), ExtendedKeyUsageOID.CLIENT_AUTH, [], days)

    def station(self, code: str, *, days: int = LEAF_DAYS) -> Issued:
        """Issue a station's certificate: its common name is the code, which the broker takes as user name.

        Raises:
            FieldError: when the code cannot be one, or the authority cannot be used.
        """
        if not is_station(code):
            raise FieldError(
                f"{code!r} is no station code", do="write eight digits or capital letters, for example 31005650"
            )
        return self._issue(f"stations/{code}", code, ExtendedKeyUsageOID.CLIENT_AUTH, [], days)

    def make_receipt_key(self) -> Issued:
        """Make the key pair of receipts.

        Raises:
            FieldError: when there is one: stations would refuse the receipts of a second.
        """
        if self.receipt_key.exists():
            raise FieldError(
                "there is a receipt key already", where=str(self.receipt_key), do="keep it: stations know it"
            )
        key = Ed25519PrivateKey.generate()
        write(self.receipt_key, _key_pem(key), SECRET)
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        write(self.receipt_public, public, PUBLIC)
        return Issued(self.receipt_public, self.receipt_key)

    def _issue(
        self, name: str, common_name: str, use: x509.ObjectIdentifier, hosts: list[x509.GeneralName], days: int
    ) -> Issued:
        authority_key, authority = self._authority()
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        builder = (
            self._builder(subject, key, days)
            .issuer_name(authority.subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
            )
        )
        if hosts:
            builder = builder.add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        certificate = builder.sign(authority_key, hashes.SHA256())
        issued = Issued(self.directory / f"{name}.pem", self.directory / f"{name}.key")
        write(issued.key, _key_pem(key), SECRET)
        write(issued.certificate, certificate.public_bytes(serialization.Encoding.PEM), PUBLIC)
        return issued

    def _builder(self, subject: x509.Name, key: _Key, days: int) -> x509.CertificateBuilder:
        if days < 1:
            raise FieldError("a certificate must be valid for at least a day", do="--days 1095")
        now = datetime.datetime.fromtimestamp(self._clock.now_ms() / 1000, datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _EARLY)
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )

    def _authority(self) -> tuple[_Key, x509.Certificate]:
        path = self.directory / "ca.key"
        try:
            key = serialization.load_pem_private_key(path.read_bytes(), None)
            certificate = x509.load_pem_x509_certificate(self.ca.read_bytes())
        except OSError as error:
            raise FieldError(
                f"the certificate authority cannot be read: {error.strerror}",
                where=str(path),
                do="haihe-cloud pki init makes one",
            ) from None
        except (ValueError, TypeError):
            raise FieldError("this is no key of a certificate authority", where=str(path)) from None
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise FieldError("this is no P-256 key", where=str(path))
        return key, certificate


def load_receipt_key(path: Path) -> Ed25519PrivateKey:
    """The key that signs receipts.

    Raises:
        FieldError: when the file is not there or holds another kind of key.
    """
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise FieldError(
            f"the receipt key cannot be read: {error.strerror}",
            where=str(path),
            do="haihe-cloud pki receipt-key makes one",
        ) from None
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise FieldError("this is no Ed25519 key in PEM form", where=str(path))
    return key


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    if not re.match(r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$", host):
        raise FieldError(f"{host!r} is neither a host name nor an address", do="for example: broker.example.org")
    return x509.DNSName(host)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _key_pem(key: _Key | Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
