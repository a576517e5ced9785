"""What a SAML identity provider says about itself, and the certificates that it signs with."""

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

REDIRECT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
MOST_CERTIFICATES = 5
RSA_BITS = 2048
NAMES = {
    "samlp": "urn:oasis:names:tc:SAML:2.0:protocol",
    "saml": "urn:oasis:names:tc:SAML:2.0:assertion",
    "md": "urn:oasis:names:tc:SAML:2.0:metadata",
    "ds": "http://www.w3.org/2000/09/xmldsig#",
}
_DECLARATION = re.compile(r"\A\ufeff?\s*<\?xml\s[^<>]*\?>")
_ARMOUR = re.compile(r"-----(BEGIN|END) CERTIFICATE-----")


@dataclass(frozen=True, slots=True)
class Described:
    """`certificates`: PEM, of the keys that sign; several while a provider changes its key."""

    entity_id: str
    sso_url: str
    certificates: list[str]


def plain_xml(text: str) -> bytes:
    """The document as UTF-8, without its declaration: that could name another encoding."""
    return _DECLARATION.sub("", text, count=1).strip().encode()


def parsed(text: str) -> Any:
    """The root element. Raises ValueError, for doctypes and entities too; comments are left out."""
    from lxml.etree import XMLSyntaxError
    from onelogin.saml2.xml_utils import OneLogin_Saml2_XML

    try:
        return OneLogin_Saml2_XML.to_etree(plain_xml(text))
    except (XMLSyntaxError, ValueError) as error:
        raise ValueError("is no XML without a doctype") from error


def described(text: str) -> Described:
    """Reads the metadata of one provider. Raises ValueError with what is wrong."""
    root = parsed(text)
    entities = [
        each
        for each in root.xpath("//md:EntityDescriptor", namespaces=NAMES)
        if each.find("md:IDPSSODescriptor", NAMES) is not None
    ]
    if len(entities) != 1:
        raise ValueError("has to describe one identity provider (IDPSSODescriptor)")
    entity = entities[0]
    services = entity.findall("md:IDPSSODescriptor/md:SingleSignOnService", NAMES)
    address = next((each.get("Location") for each in services if each.get("Binding") == REDIRECT), None)
    if not address or not entity.get("entityID"):
        raise ValueError("names no entityID, or no SingleSignOnService with the HTTP-Redirect binding")
    found: list[str] = []
    for key in entity.findall("md:IDPSSODescriptor/md:KeyDescriptor", NAMES):
        if key.get("use", "signing") == "signing":
            held = key.findall("ds:KeyInfo/ds:X509Data/ds:X509Certificate", NAMES)
            found += [certificate("".join(each.itertext())) for each in held]
    unique = list(dict.fromkeys(found))
    if not 0 < len(unique) <= MOST_CERTIFICATES:
        raise ValueError(f"has to hold a signing certificate, and at most {MOST_CERTIFICATES}")
    return Described(entity.get("entityID"), address, unique)


def certificate(text: str) -> str:
    """A certificate, PEM or bare base64, as PEM. Raises ValueError."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509 import load_der_x509_certificate

    try:
        der = base64.b64decode("".join(_ARMOUR.sub("", text).split()), validate=True)
        found = load_der_x509_certificate(der)
        key: object = found.public_key()
    except (binascii.Error, ValueError) as error:
        raise ValueError("is no X.509 certificate") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) and not (
        isinstance(key, rsa.RSAPublicKey) and key.key_size >= RSA_BITS
    ):
        raise ValueError(f"needs an RSA key of {RSA_BITS} bits, or an elliptic curve's")
    return found.public_bytes(Encoding.PEM).decode()


def split_certificates(text: str) -> list[str]:
    """Each of the certificates that were pasted one below the other."""
    return [
        f"{each.strip()}\n" for each in re.split(r"(?=-----BEGIN CERTIFICATE-----)", text) if each.strip()
    ]


def ends(pem: str) -> datetime:
    from cryptography.x509 import load_pem_x509_certificate

    return load_pem_x509_certificate(pem.encode()).not_valid_after_utc
