"""A SAML identity provider: reads our requests, and signs what a test wants it to say."""

import base64
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import xmlsec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from lxml import etree

PERSISTENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
SUCCESS = "urn:oasis:names:tc:SAML:2.0:status:Success"
NAMES = {
    "samlp": "urn:oasis:names:tc:SAML:2.0:protocol",
    "saml": "urn:oasis:names:tc:SAML:2.0:assertion",
    "ds": "http://www.w3.org/2000/09/xmldsig#",
}
Edit = Callable[[Any], None]


def _moment(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def key_pair(ends_in_days: int = 30) -> tuple[str, str]:
    """A private key and its certificate, PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "A provider of the tests")])
    now = datetime.now(UTC)
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    built = built.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=90))
    signed = built.not_valid_after(now + timedelta(days=ends_in_days)).sign(key, hashes.SHA256())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private.decode(), signed.public_bytes(Encoding.PEM).decode()


@dataclass(frozen=True)
class Asked:
    """An AuthnRequest, as it came in the browser's address."""

    id: str
    acs: str
    audience: str
    destination: str
    state: str
    forced: bool


def asked(url: str) -> Asked:
    query = parse_qs(urlsplit(url).query)
    packed = base64.b64decode(query["SAMLRequest"][0])
    request = etree.fromstring(zlib.decompress(packed, wbits=-15))
    return Asked(
        request.get("ID"),
        request.get("AssertionConsumerServiceURL"),
        request.findtext("saml:Issuer", namespaces=NAMES),
        request.get("Destination"),
        query["RelayState"][0],
        request.get("ForceAuthn") == "true",
    )


@dataclass
class SamlProvider:
    entity_id: str = "https://idp.example.com/saml"
    sso_url: str = "https://idp.example.com/sso?tenant=a&x=1"
    keys: tuple[str, str] = field(default_factory=key_pair)

    @property
    def certificate(self) -> str:
        return self.keys[1]

    def metadata(self, *certificates: str) -> str:
        def bare(pem: str) -> str:
            return "".join(line for line in pem.splitlines() if "CERTIFICATE" not in line)

        keys = "".join(
            '<md:KeyDescriptor use="signing"><ds:KeyInfo><ds:X509Data>'
            f"<ds:X509Certificate>\n{bare(each)}\n</ds:X509Certificate>"
            "</ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
            for each in certificates or (self.certificate,)
        )
        location = self.sso_url.replace("&", "&amp;")
        binding = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP"
        return (
            '<?xml version="1.0" encoding="UTF-8"?><!-- made by the provider -->'
            '<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata"'
            f' xmlns:ds="{NAMES["ds"]}" entityID="{self.entity_id}">'
            f'<md:IDPSSODescriptor protocolSupportEnumeration="{NAMES["samlp"]}">{keys}'
            f'<md:SingleSignOnService Binding="{binding}-POST" Location="https://idp.example.com/post"/>'
            f'<md:SingleSignOnService Binding="{binding}-Redirect" Location="{location}"/>'
            "</md:IDPSSODescriptor></md:EntityDescriptor>"
        )

    def response(
        self,
        to: Asked,
        subject: str,
        attributes: dict[str, list[str]] | None = None,
        *,
        name_format: str = PERSISTENT,
        status: str = SUCCESS,
        seconds: float = 120,
        edit: Edit | None = None,
        sign: tuple[str, ...] = ("saml:Assertion",),
        method: Any = xmlsec.Transform.RSA_SHA256,
        digest: Any = xmlsec.Transform.SHA256,
        edit_signed: Edit | None = None,
    ) -> Any:
        """The root element. `edit` changes it before it is signed, `edit_signed` after."""
        told = "".join(
            f'<saml:Attribute Name="{name}">'
            + "".join(f"<saml:AttributeValue>{value}</saml:AttributeValue>" for value in values)
            + "</saml:Attribute>"
            for name, values in (attributes or {}).items()
        )
        statement = f"<saml:AttributeStatement>{told}</saml:AttributeStatement>" if told else ""
        issuer = f"<saml:Issuer>{self.entity_id}</saml:Issuer>"
        bearer = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
        text = f"""<samlp:Response xmlns:samlp="{NAMES["samlp"]}" xmlns:saml="{NAMES["saml"]}"
 ID="_r{uuid4().hex}" Version="2.0" IssueInstant="{_moment(0)}" Destination="{to.acs}" InResponseTo="{to.id}">
{issuer}<samlp:Status><samlp:StatusCode Value="{status}"/></samlp:Status>
<saml:Assertion ID="_a{uuid4().hex}" Version="2.0" IssueInstant="{_moment(0)}">{issuer}
<saml:Subject><saml:NameID Format="{name_format}">{subject}</saml:NameID>
<saml:SubjectConfirmation Method="{bearer}"><saml:SubjectConfirmationData
 InResponseTo="{to.id}" Recipient="{to.acs}" NotOnOrAfter="{_moment(seconds)}"/></saml:SubjectConfirmation>
</saml:Subject>
<saml:Conditions NotBefore="{_moment(-3600)}" NotOnOrAfter="{_moment(seconds)}"><saml:AudienceRestriction>
<saml:Audience>{to.audience}</saml:Audience></saml:AudienceRestriction></saml:Conditions>
<saml:AuthnStatement AuthnInstant="{_moment(0)}"><saml:AuthnContext><saml:AuthnContextClassRef>
urn:oasis:names:tc:SAML:2.0:ac:classes:Password</saml:AuthnContextClassRef></saml:AuthnContext>
</saml:AuthnStatement>{statement}</saml:Assertion></samlp:Response>"""
        root = etree.fromstring(text)
        if edit is not None:
            edit(root)
        for name in sign:
            target = root if name == "samlp:Response" else root.find(name, NAMES)
            self.sign(target, method, digest)
        if edit_signed is not None:
            edit_signed(root)
        return root

    def sign(self, element: Any, method: Any, digest: Any) -> None:
        signature = xmlsec.template.create(element, xmlsec.Transform.EXCL_C14N, method, ns="ds")
        element.insert(1, signature)
        reference = xmlsec.template.add_reference(signature, digest, uri=f"#{element.get('ID')}")
        xmlsec.template.add_transform(reference, xmlsec.Transform.ENVELOPED)
        xmlsec.template.add_transform(reference, xmlsec.Transform.EXCL_C14N)
        xmlsec.template.add_x509_data(xmlsec.template.ensure_key_info(signature))
        xmlsec.tree.add_ids(element.getroottree().getroot(), ["ID"])
        context = xmlsec.SignatureContext()
        context.key = xmlsec.Key.from_memory(self.keys[0], xmlsec.KeyFormat.PEM, None)
        context.key.load_cert_from_memory(self.keys[1], xmlsec.KeyFormat.CERT_PEM)
        context.sign(signature)


def form(root: Any, state: str, change: Callable[[str], str] = str) -> dict[str, str]:
    """What the browser posts; `change` is the last word on the document's text."""
    text = change(etree.tostring(root, encoding="unicode"))
    return {"SAMLResponse": base64.b64encode(text.encode()).decode(), "RelayState": state}
