"""A SAML 2.0 provider: asked by a redirect, and believed only as far as its signed assertion goes.

The request's id comes from the browser's secret, so that an answer (InResponseTo) is good in that browser
only; and as the sign-in that it answers is spent once, an assertion is too.
"""

import base64
import time
import zlib
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx

from agentflow_app.core.clock import utcnow
from agentflow_app.core.settings import settings
from agentflow_app.sso.errors import ProviderFault, ProviderRefused
from agentflow_app.sso.models import SsoConnection
from agentflow_app.sso.saml_metadata import NAMES, REDIRECT, ends, plain_xml

POST = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
MAX_CHARACTERS = 512 * 1024
ANY_NAME = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"
ADDRESS = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"
TRANSIENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"
BEARER = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
EMAIL_ATTRIBUTES = (
    "email",
    "mail",
    "emailAddress",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
    "urn:oid:0.9.2342.19200300.100.1.3",
)
NAME_ATTRIBUTES = (
    "name",
    "displayName",
    "http://schemas.microsoft.com/identity/claims/displayname",
    "urn:oid:2.16.840.1.113730.3.1.241",
)
_MORE = "http://www.w3.org/2001/04/xmldsig-more#"
_EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
_SIGNATURES = {f"{_MORE}{kind}-sha{bits}" for kind in ("rsa", "ecdsa") for bits in (256, 384, 512)}
_DIGESTS = {"http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2001/04/xmlenc#sha512"}
_DIGESTS.add(f"{_MORE}sha384")
_CANONICAL = {_EXCLUSIVE, f"{_EXCLUSIVE}WithComments"}
_TRANSFORMS = {"http://www.w3.org/2000/09/xmldsig#enveloped-signature", *_CANONICAL}
_IDS = ("ID", "Id", "id", "AssertionID", "{http://www.w3.org/XML/1998/namespace}id")


def entity_id(connection_id: UUID) -> str:
    """What we are called at the provider: the address of our metadata."""
    return f"{settings().base_url}/api/v1/auth/sso/saml/{connection_id}/metadata"


def acs_url(connection_id: UUID) -> str:
    """Where the provider lets the browser post its answer."""
    return f"{settings().base_url}/api/v1/auth/sso/saml/{connection_id}/acs"


def usable_here() -> bool:
    """Whether a browser keeps the cookie that comes along with another site's post: it has to be Secure.

    Browsers keep such a one over HTTPS, and most of them over plain HTTP from this machine itself.
    """
    home = urlsplit(settings().base_url)
    return home.scheme == "https" or home.hostname in ("localhost", "127.0.0.1", "::1")


def require_usable_here() -> None:
    """Raises ProviderFault."""
    if not usable_here():
        raise ProviderFault("SAML needs HTTPS: browsers bring no cookie along with a post over plain HTTP")


def examine(row: SsoConnection) -> None:
    """What can be seen without a person signing in. Raises ProviderFault."""
    require_usable_here()
    if not row.sso_url:
        raise ProviderFault("the provider's metadata is not entered yet")
    if all(ends(each) < utcnow() for each in row.certificates):
        raise ProviderFault("the signing certificate has ended; take the provider's new metadata")
    _library(row)


def _tag(name: str) -> str:
    prefix, _, local = name.partition(":")
    return f"{{{NAMES[prefix]}}}{local}"


def metadata(connection_id: UUID) -> bytes:
    """What we say about ourselves."""
    from lxml import etree

    root = etree.Element(_tag("md:EntityDescriptor"), nsmap={"md": NAMES["md"]})
    root.set("entityID", entity_id(connection_id))
    role = etree.SubElement(root, _tag("md:SPSSODescriptor"))
    role.set("AuthnRequestsSigned", "false")
    role.set("WantAssertionsSigned", "true")
    role.set("protocolSupportEnumeration", NAMES["samlp"])
    etree.SubElement(role, _tag("md:NameIDFormat")).text = ADDRESS
    service = etree.SubElement(role, _tag("md:AssertionConsumerService"))
    service.set("Binding", POST)
    service.set("Location", acs_url(connection_id))
    service.set("index", "0")
    service.set("isDefault", "true")
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))


def request_url(row: SsoConnection, *, request_id: str, state: str, fresh: bool = False) -> str:
    """Where the browser goes to sign in, anew if it is to be `fresh`. Raises ProviderFault."""
    from lxml import etree

    require_usable_here()
    assert row.sso_url
    request = etree.Element(_tag("samlp:AuthnRequest"), nsmap={k: NAMES[k] for k in ("samlp", "saml")})
    for name, value in (
        ("ID", request_id),
        ("Version", "2.0"),
        ("IssueInstant", utcnow().strftime("%Y-%m-%dT%H:%M:%SZ")),
        ("Destination", row.sso_url),
        ("ProtocolBinding", POST),
        ("AssertionConsumerServiceURL", acs_url(row.id)),
    ):
        request.set(name, value)
    if fresh:
        request.set("ForceAuthn", "true")
    etree.SubElement(request, _tag("saml:Issuer")).text = entity_id(row.id)
    policy = etree.SubElement(request, _tag("samlp:NameIDPolicy"))
    policy.set("Format", ANY_NAME)
    policy.set("AllowCreate", "true")
    deflating = zlib.compressobj(wbits=-15)
    packed = deflating.compress(etree.tostring(request)) + deflating.flush()
    told = {"SAMLRequest": base64.b64encode(packed).decode(), "RelayState": state}
    return str(httpx.URL(row.sso_url).copy_merge_params(told))


def identify(row: SsoConnection, response: str, request_id: str) -> dict[str, Any]:
    """The claims about who came back with `response`, as an OpenID Connect provider would make them.

    Takes some milliseconds of computing. Raises ProviderFault or ProviderRefused.
    """
    root = _verified(row, response, request_id)
    assertion = _the_assertion(root)
    _require_meant_for_us(row, root, assertion, request_id)
    name_id = assertion.find("saml:Subject/saml:NameID", NAMES)
    subject = _text(name_id)
    if name_id is None or name_id.get("Format") == TRANSIENT or not 0 < len(subject) <= 255:
        raise ProviderFault("the NameID has to be one that stays the same: persistent, or the e-mail address")
    told = _attributes(assertion)
    named = (row.email_attribute,) if row.email_attribute else EMAIL_ATTRIBUTES
    emails = next((told[each] for each in named if each in told), None)
    if emails is None and row.email_attribute is None:
        emails = [subject]
    names = (row.name_attribute,) if row.name_attribute else NAME_ATTRIBUTES
    roles = {row.role_claim: told.get(row.role_claim, [])} if row.role_claim else {}
    return {
        **roles,
        "sub": subject,
        "email": emails[0] if emails and len(emails) == 1 else None,
        # SAML has no such mark: what holds an address back are the connection's verified domains.
        "email_verified": True,
        "auth_time": _signed_in_at(assertion),
        "name": next((told[each][0] for each in names if told.get(each)), None),
    }


def _decoded(response: str) -> bytes:
    """The document, where it has nothing but elements: no doctype, entity, comment, CDATA or instruction."""
    try:
        if len(response) > MAX_CHARACTERS:
            raise ValueError
        found = plain_xml(base64.b64decode(response).decode("utf-8"))
    except ValueError:
        raise ProviderFault("the answer is no base64 of XML in UTF-8, or too long") from None
    if b"<!" in found or b"<?" in found:
        raise ProviderFault("the answer holds a doctype, a comment, CDATA or an instruction")
    return found


def _verified(row: SsoConnection, response: str, request_id: str) -> Any:
    """The answer's root, once the library has verified its signatures and what it checks besides."""
    from lxml.etree import LxmlError
    from onelogin.saml2.errors import OneLogin_Saml2_Error, OneLogin_Saml2_ValidationError
    from onelogin.saml2.response import OneLogin_Saml2_Response

    here = urlsplit(acs_url(row.id))
    place = {
        "http_host": here.netloc,
        "script_name": here.path,
        "https": "on" if here.scheme == "https" else "off",
    }
    document = base64.b64encode(_decoded(response)).decode()
    try:
        answer = OneLogin_Saml2_Response(_library(row), document)
        if answer.document.tag != _tag("samlp:Response"):
            raise ProviderFault("the answer is no SAML response")
        answer.is_valid(place, request_id, raise_exceptions=True)
    except OneLogin_Saml2_ValidationError as error:
        if error.code == OneLogin_Saml2_ValidationError.STATUS_CODE_IS_NOT_SUCCESS:
            raise ProviderRefused from None
        raise ProviderFault(f"the answer is not valid: {error}") from None
    except (OneLogin_Saml2_Error, LxmlError, ValueError, TypeError, KeyError, IndexError) as error:
        raise ProviderFault(f"the answer cannot be read: {type(error).__name__}") from None
    return answer.document


def _library(row: SsoConnection) -> Any:
    """The library's settings for the connection. Raises ProviderFault where it has no use for them."""
    from onelogin.saml2.errors import OneLogin_Saml2_Error
    from onelogin.saml2.settings import OneLogin_Saml2_Settings

    told = {
        "strict": True,
        "debug": False,
        "sp": {
            "entityId": entity_id(row.id),
            "assertionConsumerService": {"url": acs_url(row.id), "binding": POST},
            "NameIDFormat": ANY_NAME,
        },
        "idp": {
            "entityId": row.issuer,
            "singleSignOnService": {"url": row.sso_url, "binding": REDIRECT},
            "x509certMulti": {"signing": row.certificates},
        },
        "security": {
            "wantAssertionsSigned": True,
            "wantAttributeStatement": False,
            "rejectDeprecatedAlgorithm": True,
            "allowSingleLabelDomains": True,
        },
    }
    try:
        return OneLogin_Saml2_Settings(told)
    except OneLogin_Saml2_Error as error:
        raise ProviderFault(f"the provider's addresses cannot be used: {error}") from None


def _the_assertion(root: Any) -> Any:
    """The one that is signed. It and its id are the only ones there, so that nothing else was verified."""
    ids = [each.get(name) for each in root.iter("*") for name in _IDS if each.get(name) is not None]
    found = list(root.iter(_tag("saml:Assertion")))
    if len(ids) != len(set(ids)) or len(found) != 1 or found[0].getparent() is not root:
        raise ProviderFault("the answer has to hold one assertion, and each id once")
    signed = found[0].findall("ds:Signature", NAMES)
    if len(signed) != 1:
        raise ProviderFault("the assertion is not signed")
    for signature in root.iter(_tag("ds:Signature")):
        _require_plain(signature)
    return found[0]


def _require_plain(signature: Any) -> None:
    """Over all of its parent and nothing else, by methods that hold today."""

    def methods(path: str) -> list[str]:
        return [each.get("Algorithm", "") for each in signature.findall(path, NAMES)]

    info, covered = "ds:SignedInfo", "ds:SignedInfo/ds:Reference"
    references = list(signature.iter(_tag("ds:Reference")))
    parent = signature.getparent().get("ID")
    whole = len(references) == 1 and bool(parent) and references[0].get("URI") == f"#{parent}"
    if not whole or signature.find("ds:Object", NAMES) is not None:
        raise ProviderFault("the signature does not cover what it is in")
    used = (
        (methods(f"{info}/ds:CanonicalizationMethod"), _CANONICAL),
        (methods(f"{info}/ds:SignatureMethod"), _SIGNATURES),
        (methods(f"{covered}/ds:DigestMethod"), _DIGESTS),
        (methods(f"{covered}/ds:Transforms/ds:Transform"), _TRANSFORMS),
    )
    for found, allowed in used:
        if not found or not set(found) <= allowed:
            raise ProviderFault("the signature is made by methods that are not accepted here")


def _require_meant_for_us(row: SsoConnection, root: Any, assertion: Any, request_id: str) -> None:
    """What the library lets pass where it is left out, and what it compares only by the beginning."""
    here = acs_url(row.id)
    if root.get("Destination") != here:
        raise ProviderFault("the answer was sent to somebody else (Destination)")
    if root.get("InResponseTo") != request_id:
        raise ProviderFault("the answer is not to this sign-in (InResponseTo)")
    if _text(assertion.find("saml:Issuer", NAMES)) != row.issuer:
        raise ProviderFault("the assertion comes from another provider (Issuer)")
    audiences = [
        {_text(each) for each in limit.findall("saml:Audience", NAMES)}
        for limit in assertion.findall("saml:Conditions/saml:AudienceRestriction", NAMES)
    ]
    if not audiences or any(entity_id(row.id) not in each for each in audiences):
        raise ProviderFault("the assertion is for somebody else (Audience)")
    confirmations = assertion.findall("saml:Subject/saml:SubjectConfirmation", NAMES)
    if not any(_confirms(each, here, request_id) for each in confirmations):
        raise ProviderFault("no bearer confirmation has our Recipient, InResponseTo and a time to come")


def _confirms(confirmation: Any, here: str, request_id: str) -> bool:
    from onelogin.saml2.utils import OneLogin_Saml2_Utils

    data = confirmation.find("saml:SubjectConfirmationData", NAMES)
    if data is None or confirmation.get("Method") != BEARER or not data.get("NotOnOrAfter"):
        return False
    until = OneLogin_Saml2_Utils.parse_SAML_to_time(data.get("NotOnOrAfter"))
    return bool(
        data.get("Recipient") == here and data.get("InResponseTo") == request_id and until > time.time()
    )


def _signed_in_at(assertion: Any) -> int:
    """When the provider last asked who it is, in seconds since 1970. The schema demands it."""
    from onelogin.saml2.utils import OneLogin_Saml2_Utils

    moment = assertion.find("saml:AuthnStatement", NAMES).get("AuthnInstant")
    return int(OneLogin_Saml2_Utils.parse_SAML_to_time(moment))


def _attributes(assertion: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for each in assertion.findall("saml:AttributeStatement/saml:Attribute", NAMES):
        values = [_text(value) for value in each.findall("saml:AttributeValue", NAMES)]
        found.setdefault(each.get("Name", ""), []).extend(value for value in values if value)
    return found


def _text(element: Any) -> str:
    return "" if element is None else "".join(element.itertext()).strip()
