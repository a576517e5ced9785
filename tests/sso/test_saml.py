"""Signing in through a SAML provider, and all the ways in which that must not work."""

import base64
from copy import deepcopy
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import xmlsec
from fastapi import FastAPI
from lxml import etree
from sqlalchemy import func, select, update
from sqlmodel import col

from agentflow_app.accounts.models import SessionProof, User
from agentflow_app.audit.models import AuditLog
from agentflow_app.core.database import database
from agentflow_app.core.ids import new_id
from agentflow_app.core.settings import settings as current_settings
from agentflow_app.organizations.models import Membership
from agentflow_app.sso.domains import vouch
from agentflow_app.sso.models import SsoIdentity
from tests.actors import PASSWORD, Person, password_hash
from tests.support.saml_provider import NAMES, Asked, SamlProvider, asked, form, key_pair
from tests.support.window import Window

HOME = "https://localhost"
"""A Secure cookie is kept for it; where the app says it is does not come from a request."""
SHA1 = {"method": xmlsec.Transform.RSA_SHA1, "digest": xmlsec.Transform.SHA1}
EVIL = "https://evil.example.com"


@dataclass
class Company:
    owner: Person
    id: str
    domain: str
    idp: SamlProvider
    body: dict[str, Any]
    open: Any

    async def change(self, **fields: Any) -> None:
        answer = await self.owner.client.put(f"/org/sso/{self.id}", json={**self.body, **fields})
        assert answer.status_code == 200, answer.text
        self.body |= fields

    async def begin(self) -> tuple[Window, Asked]:
        window = self.open(HOME)
        return window, asked(await window.start(connection=self.id))

    def mail(self, name: str = "ada") -> dict[str, list[str]]:
        return {"email": [f"{name}@{self.domain}"]}

    async def enter(self, name: str = "ada", change: Any = str, **how: Any) -> tuple[Window, str]:
        """A whole sign-in with what the provider says; where it led."""
        window, to = await self.begin()
        attributes = how.pop("attributes", self.mail(name))
        root = self.idp.response(to, how.pop("subject", f"{name}-1"), attributes, **how)
        return window, await window.post(urlsplit(to.acs).path, form(root, to.state, change))

    async def refused(self, code: str = "SSO_PROVIDER_FAULT", **how: Any) -> str:
        """The reason in the audit trail."""
        before = len(await self.refusals())
        window, where = await self.enter(**how)
        assert code in where
        assert not window.is_in
        told = await self.refusals()
        assert len(told) == before + (code in ("SSO_PROVIDER_FAULT", "SSO_ADDRESS_REFUSED"))
        return next(iter(told), "")

    async def roles(self) -> dict[str, str]:
        query = select(col(User.email), col(Membership.role)).join(
            Membership, col(Membership.user_id) == col(User.id)
        )
        async with database().system() as tx:
            rows = await tx.execute(query.where(col(Membership.org_id) == self.owner.org_id))
            return {row[0].partition("@")[0]: row[1] for row in rows}

    async def refusals(self) -> list[str]:
        """The latest first."""
        query = select(col(AuditLog.details)).where(col(AuditLog.action) == "sso_connection.sign_in_refused")
        async with database().transaction(self.owner.actor) as tx:
            rows = await tx.execute(query.order_by(col(AuditLog.id).desc()))
            return [each["reason"] for each in rows.scalars()]


async def _company(owner: Person, idp: SamlProvider, opening: Any) -> Company:
    domain = f"{new_id().hex[-12:]}.example.com"
    body = {"name": "Provider", "protocol": "saml", "metadata": idp.metadata(), "domains": [domain]}
    made = await owner.client.post("/org/sso", json=body)
    assert made.status_code == 201, made.text
    await vouch(domain)
    return Company(owner, made.json()["id"], domain, idp, body, opening)


@pytest.fixture(scope="module")
def idp() -> SamlProvider:
    return SamlProvider()


@pytest.fixture
async def company(
    api: FastAPI, alice: Person, idp: SamlProvider, open_window: Any, monkeypatch: pytest.MonkeyPatch
) -> Company:
    monkeypatch.setattr(current_settings(), "rate_limit_auth", "off")
    return await _company(alice, idp, open_window)


def _set(path: str, name: str, value: str | None) -> Any:
    def edit(root: Any) -> None:
        found = root if path == "." else root.find(f".//{path}", NAMES)
        found.attrib.pop(name, None)
        if value is not None:
            found.set(name, value)

    return edit


def _say(path: str, text: str) -> Any:
    def edit(root: Any) -> None:
        root.find(f".//{path}", NAMES).text = text

    return edit


def _drop(path: str) -> Any:
    def edit(root: Any) -> None:
        found = root.find(f".//{path}", NAMES)
        found.getparent().remove(found)

    return edit


async def test_a_newcomer_of_the_domain_becomes_a_member(company: Company) -> None:
    window = company.open(HOME)
    url = await window.start(email=f"ada@{company.domain}", next="/runs")
    to = asked(url)
    assert url.startswith(company.idp.sso_url)
    assert to.destination == company.idp.sso_url
    attributes = company.mail() | {"displayName": ["Ada &amp; Co"]}
    root = company.idp.response(to, "ada-1", attributes, sign=("saml:Assertion", "samlp:Response"))
    assert await window.post(urlsplit(to.acs).path, form(root, to.state)) == "/runs"
    assert window.is_in
    assert (await company.roles())["ada"] == "viewer"
    async with database().system() as tx:
        query = select(col(User.name)).where(col(User.email) == f"ada@{company.domain}")
        assert (await tx.execute(query)).scalar_one() == "Ada & Co"
    again, _ = await company.enter(attributes=company.mail("renamed"), subject="ada-1")
    assert again.is_in
    assert "renamed" not in await company.roles()


async def test_the_address_may_be_the_name_id(company: Company) -> None:
    mail = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"
    window, where = await company.enter(subject=f"ada@{company.domain}", attributes={}, name_format=mail)
    assert (where, window.is_in) == ("/", True)
    await company.change(email_attribute="work")
    named, _ = await company.enter(attributes={"work": [f"bea@{company.domain}"], "email": ["x@y.example"]})
    assert named.is_in
    assert "bea" in await company.roles()
    await company.refused("SSO_ADDRESS_REFUSED", attributes=company.mail(), subject=f"c@{company.domain}")


async def test_the_cookie_comes_along_with_the_providers_post_and_is_gone_after_it(company: Company) -> None:
    window = company.open(HOME)
    answer = await window.app.get("/api/v1/auth/sso/start", params={"connection": company.id})
    (cookie,) = answer.headers.get_list("set-cookie")
    for part in ("SameSite=none", "Secure", "HttpOnly", "Path=/api/v1/auth/sso"):
        assert part.lower() in cookie.lower()
    entered, _ = await company.enter()
    assert "agentflow_saml" not in entered.app.cookies


async def test_over_plain_http_it_says_that_it_needs_https(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(current_settings(), "public_url", "http://agents.example.com")
    assert "SSO_PROVIDER_FAULT" in await company.open(HOME).start(connection=company.id)
    told = (await company.owner.client.post(f"/org/sso/{company.id}/test")).json()
    assert (told["ok"], "HTTPS" in told["problem"]) == (False, True)
    monkeypatch.setattr(current_settings(), "public_url", "https://agents.example.com/flow")
    window = company.open("https://agents.example.com")
    to = asked(await window.start(connection=company.id))
    assert to.acs == f"https://agents.example.com/flow/api/v1/auth/sso/saml/{company.id}/acs"
    root = company.idp.response(to, "ada-1", company.mail())
    assert "__Secure-agentflow_saml" in window.app.cookies
    await window.post(f"/api/v1/auth/sso/saml/{company.id}/acs", form(root, to.state))
    assert window.is_in


async def test_an_answer_is_worth_nothing_in_another_browser(company: Company) -> None:
    _, to = await company.begin()
    stolen = form(company.idp.response(to, "ada-1", company.mail()), to.state)
    path = urlsplit(to.acs).path
    for thief, own in (await company.begin(), await company.begin()):
        assert "SSO_EXPIRED" in await thief.post(path, stolen)
        assert "SSO_PROVIDER_FAULT" in await thief.post(path, {**stolen, "RelayState": own.state})
        assert not thief.is_in
    assert "SSO_EXPIRED" in await company.open(HOME).post(path, stolen)


async def test_an_answer_counts_once(company: Company) -> None:
    window, to = await company.begin()
    answer = form(company.idp.response(to, "ada-1", company.mail()), to.state)
    cookies = dict(window.app.cookies)
    assert await window.post(urlsplit(to.acs).path, answer) == "/"
    window.app.cookies.clear()
    window.app.cookies.update(cookies)
    assert "SSO_EXPIRED" in await window.post(urlsplit(to.acs).path, answer)
    window.app.cookies.clear()
    fresh = asked(await window.start(connection=company.id))
    again = {**answer, "RelayState": fresh.state}
    assert "SSO_PROVIDER_FAULT" in await window.post(urlsplit(to.acs).path, again)
    assert not window.is_in


async def test_what_nobody_asked_for_is_refused(company: Company) -> None:
    window, to = await company.begin()
    path = urlsplit(to.acs).path
    root = company.idp.response(to, "ada-1", company.mail())
    for state in ("", "made up"):
        assert "SSO_EXPIRED" in await window.post(path, form(root, state))
    assert "SSO_EXPIRED" in await window.post(path, {})
    assert not window.is_in


@pytest.mark.parametrize(
    ("edit", "word"),
    [
        (_say("saml:Audience", EVIL), "audience"),
        (_drop("saml:AudienceRestriction"), "Audience"),
        (_set(".", "Destination", f"{EVIL}/acs"), "received at"),
        (_set(".", "Destination", None), "Destination"),
        (_set(".", "InResponseTo", "_another"), "InResponseTo"),
        (_set(".", "InResponseTo", None), "InResponseTo"),
        (_set("saml:SubjectConfirmationData", "InResponseTo", None), "confirmation"),
        (_set("saml:SubjectConfirmationData", "InResponseTo", "_another"), "SubjectConfirmation"),
        (_set("saml:SubjectConfirmationData", "Recipient", f"{EVIL}/acs"), "SubjectConfirmation"),
        (_set("saml:SubjectConfirmationData", "Recipient", None), "confirmation"),
        (_set("saml:SubjectConfirmationData", "NotOnOrAfter", None), "confirmation"),
        (_set("saml:SubjectConfirmationData", "NotOnOrAfter", "2020-01-01T00:00:00Z"), "Confirmation"),
        (_set("saml:Conditions", "NotOnOrAfter", "2020-01-01T00:00:00Z"), "expired"),
        (_set("saml:Conditions", "NotBefore", "2199-01-01T00:00:00Z"), "not yet valid"),
        (_set("saml:SubjectConfirmation", "Method", "urn:oasis:names:tc:SAML:2.0:cm:sender-vouches"), ""),
        (_say("saml:Assertion/saml:Issuer", EVIL), "ssuer"),
        (_say("saml:NameID", " "), "NameID"),
        (
            _set("saml:NameID", "Format", "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"),
            "stays the same",
        ),
    ],
)
async def test_what_is_not_meant_for_us_now_is_refused(company: Company, edit: Any, word: str) -> None:
    assert word in await company.refused(edit=edit)
    assert "ada" not in await company.roles()


async def test_a_longer_address_than_ours_is_another_place(company: Company) -> None:
    def longer(root: Any) -> None:
        root.set("Destination", root.get("Destination") + ".evil")

    def around(root: Any) -> None:
        data = root.find(".//saml:SubjectConfirmationData", NAMES)
        data.set("Recipient", f"{EVIL}/?{data.get('Recipient')}")

    assert "Destination" in await company.refused(edit=longer)
    assert "Recipient" in await company.refused(edit=around)


async def test_only_a_signed_assertion_counts(company: Company) -> None:
    assert "not signed" in await company.refused(sign=())
    assert "not signed" in await company.refused(sign=("samlp:Response",))
    assert "ignature" in await company.refused(edit_signed=_say("saml:NameID", "boss-1"))
    assert "ignature" in await company.refused(
        sign=("samlp:Response", "saml:Assertion"), edit_signed=_set(".", "Consent", "urn:x")
    )
    for how in (SHA1, {"method": SHA1["method"]}, {"digest": SHA1["digest"]}):
        assert await company.refused(**how)
    assert "method" in await company.refused(digest=xmlsec.Transform.RIPEMD160)


async def test_another_key_is_not_the_providers(company: Company) -> None:
    impostor = SamlProvider()
    real, company.idp = company.idp, impostor
    assert "ignature" in await company.refused()
    company.idp = real
    assert (await company.enter())[0].is_in


def _wrapped(kind: str) -> Any:
    """A forged assertion beside, around or in place of the signed one."""

    def edit(root: Any) -> None:
        signed = root.find("saml:Assertion", NAMES)
        forged = deepcopy(signed)
        forged.remove(forged.find("ds:Signature", NAMES))
        forged.find(".//saml:NameID", NAMES).text = "boss-1"
        if kind == "same id":
            root.insert(list(root).index(signed), forged)
            return
        forged.set("ID", "_forged")
        if kind == "before":
            root.insert(list(root).index(signed), forged)
        elif kind == "after":
            root.append(forged)
        elif kind == "signature taken along":
            root.replace(signed, forged)
            signature = signed.find("ds:Signature", NAMES)
            forged.insert(1, signature)
            etree.SubElement(signature, f"{{{NAMES['ds']}}}Object").append(signed)
        elif kind == "same id and signature taken along":
            forged.set("ID", signed.get("ID"))
            root.replace(signed, forged)
            signature = signed.find("ds:Signature", NAMES)
            forged.insert(1, signature)
            etree.SubElement(signature, f"{{{NAMES['ds']}}}Object").append(signed)
        elif kind == "in the extensions":
            root.replace(signed, forged)
            extensions = etree.Element(f"{{{NAMES['samlp']}}}Extensions")
            extensions.append(signed)
            root.insert(1, extensions)
        elif kind == "in the forged one":
            root.replace(signed, forged)
            etree.SubElement(forged, f"{{{NAMES['saml']}}}Advice").append(signed)

    return edit


@pytest.mark.parametrize(
    "kind",
    [
        "same id",
        "before",
        "after",
        "signature taken along",
        "same id and signature taken along",
        "in the extensions",
        "in the forged one",
    ],
)
async def test_a_forged_assertion_around_the_signed_one_is_refused(company: Company, kind: str) -> None:
    await company.enter(name="boss")
    assert await company.refused(edit_signed=_wrapped(kind))


async def test_a_second_id_that_a_reader_could_take_is_refused(company: Company) -> None:
    def edit(root: Any) -> None:
        taken = root.find("saml:Assertion", NAMES).get("ID")
        root.find("samlp:Status", NAMES).set("{http://www.w3.org/XML/1998/namespace}id", taken)

    assert await company.refused(edit_signed=edit)


async def test_what_hides_in_the_document_is_refused(company: Company, tmp_path: Any) -> None:
    hidden = tmp_path / "hidden.txt"
    hidden.write_text("boss-1")
    doctype = f'<!DOCTYPE x [<!ENTITY e SYSTEM "file://{hidden}">]>'
    for change in (
        lambda text: doctype + text,
        lambda text: '<?xml version="1.0"?>' + doctype + text.replace("ada-1", "&e;"),
        lambda text: text.replace("@", "@<!-- -->", 1),
        lambda text: text.replace("ada-1", "<![CDATA[ada-1]]>"),
        lambda text: text.replace("ada-1", "ada<?x y?>-1"),
        lambda text: '<?xml version="1.0" encoding="UTF-7"?>' + doctype.replace("<", "+ADw-") + text,
        lambda text: text[:200],
        lambda text: "",
        lambda text: "no XML",
        lambda text: "<a/>",
        lambda text: text + " " * 600_000,
    ):
        assert await company.refused(change=change)
    window, to = await company.begin()
    path = urlsplit(to.acs).path
    text = etree.tostring(company.idp.response(to, "ada-1", company.mail()), encoding="unicode")
    wide = base64.b64encode(text.encode("utf-16")).decode()
    assert "SSO_PROVIDER_FAULT" in await window.post(path, {"SAMLResponse": wide, "RelayState": to.state})


async def test_a_comment_does_not_cut_an_address_short(company: Company) -> None:
    """Who may choose the end of an own address must not lose it: canonical XML has no comments to sign."""
    mail = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"
    address = f"boss@{company.domain}"

    def cut(text: str) -> str:
        return text.replace(f"{address}.evil.com", f"{address}<!-- -->.evil.com")

    how = {"subject": f"{address}.evil.com", "attributes": {}, "name_format": mail}
    assert "comment" in await company.refused(change=cut, **how)
    assert "verified domain" in await company.refused("SSO_ADDRESS_REFUSED", **how)


async def test_only_addresses_of_verified_domains_come_in(company: Company, mallory: Person) -> None:
    for attributes in (
        {"email": [mallory.actor.email]},
        {"email": [f"ada@sub.{company.domain}"]},
        {"email": [f"ada@{company.domain}", f"boss@{company.domain}"]},
        {"email": [f"a b@{company.domain}"]},
        {},
    ):
        await company.refused("SSO_ADDRESS_REFUSED", attributes=attributes)


async def test_another_organizations_connection_opens_nothing_here(
    company: Company, mallory: Person, open_window: Any
) -> None:
    theirs = await _company(mallory, SamlProvider(entity_id=f"{EVIL}/saml"), open_window)
    assert "verified domain" in await theirs.refused("SSO_ADDRESS_REFUSED", attributes=company.mail("boss"))
    window, to = await company.begin()
    root = theirs.idp.response(to, "boss-1", company.mail("boss"))
    path = f"/api/v1/auth/sso/saml/{theirs.id}/acs"
    assert "SSO_EXPIRED" in await window.post(path, form(root, to.state))
    assert not window.is_in
    window, to = await theirs.begin()
    root = theirs.idp.response(to, "boss-1", company.mail("boss"))
    assert "SSO_EXPIRED" in await window.post(
        urlsplit(to.acs).path.replace(theirs.id, company.id), form(root, to.state)
    )
    window, to = await company.begin()
    assert "SSO_EXPIRED" in await window.back({"state": to.state, "code": "x"})


async def test_the_providers_refusal_is_told_as_such(company: Company) -> None:
    failed = "urn:oasis:names:tc:SAML:2.0:status:Responder"
    window, where = await company.enter(status=failed)
    assert "SSO_DENIED" in where
    assert not window.is_in


async def test_a_key_is_rolled_over_without_a_gap(company: Company) -> None:
    await company.enter()
    old, new = company.idp, SamlProvider(keys=key_pair())
    await company.change(metadata=new.metadata(old.certificate, new.certificate))
    for signer in (old, new):
        company.idp = signer
        window, _ = await company.enter()
        assert window.is_in
    await company.change(metadata=new.metadata())
    company.idp = old
    await company.refused()
    async with database().system() as tx:
        kept = select(SsoIdentity).where(col(SsoIdentity.org_id) == company.owner.org_id)
        assert len((await tx.execute(kept)).scalars().all()) == 1


async def test_roles_follow_the_groups(company: Company) -> None:
    await company.change(role_claim="groups", role_mapping={"admins": "admin", "staff": "editor"})
    for groups, role in ((["staff", "admins"], "admin"), (["staff"], "editor"), (["owner"], "viewer")):
        window, _ = await company.enter(attributes=company.mail() | {"groups": groups})
        assert window.is_in
        assert (await company.roles())["ada"] == role


async def test_a_demanded_sign_in_shuts_the_password_door(
    company: Company, anonymous: httpx.AsyncClient
) -> None:
    await company.enter()
    email = f"ada@{company.domain}"
    async with database().system() as tx:
        await tx.execute(update(User).where(col(User.email) == email).values(password_hash=password_hash()))
    login = {"email": email, "password": PASSWORD}
    assert (await anonymous.post("/auth/login", json=login)).status_code == 200
    await company.change(enforced=True)
    refused = await anonymous.post("/auth/login", json=login)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "SSO_REQUIRED")
    assert (await company.enter())[0].is_in


async def test_a_connection_tells_its_addresses_before_the_provider_is_known(
    alice: Person, anonymous: httpx.AsyncClient, open_window: Any
) -> None:
    made = (await alice.client.post("/org/sso", json={"name": "Later", "protocol": "saml"})).json()
    ours = made["service_provider"]
    assert ours["entity_id"] == ours["metadata_url"]
    answer = await anonymous.get(f"/auth/sso/saml/{made['id']}/metadata")
    assert answer.headers["content-type"].startswith("application/samlmetadata+xml")
    described = etree.fromstring(answer.content)
    assert described.get("entityID") == ours["entity_id"]
    service = described.find(".//{*}AssertionConsumerService")
    assert service.get("Location") == ours["acs_url"]
    assert described.find("{*}SPSSODescriptor").get("WantAssertionsSigned") == "true"
    assert "SSO_NOT_FOUND" in await open_window(HOME).start(connection=made["id"])
    told = (await alice.client.post(f"/org/sso/{made['id']}/test")).json()
    assert (told["ok"], "metadata" in told["problem"]) == (False, True)
    assert (await anonymous.get(f"/auth/sso/saml/{new_id()}/metadata")).status_code == 404


async def test_the_test_tells_of_a_certificate_that_has_ended(company: Company) -> None:
    assert (await company.owner.client.post(f"/org/sso/{company.id}/test")).json()["ok"] is True
    await company.change(metadata=company.idp.metadata(key_pair(-1)[1]))
    told = (await company.owner.client.post(f"/org/sso/{company.id}/test")).json()
    assert (told["ok"], "ended" in told["problem"]) == (False, True)


async def test_the_test_tells_of_an_address_that_cannot_be_used(company: Company) -> None:
    odd = SamlProvider(sso_url="https://höst.example.com/sso", keys=company.idp.keys)
    await company.change(metadata=odd.metadata())
    told = (await company.owner.client.post(f"/org/sso/{company.id}/test")).json()
    assert (told["ok"], "addresses" in told["problem"]) == (False, True)


async def test_the_fields_may_be_given_one_by_one_and_change_is_noted(company: Company) -> None:
    bare = "".join(company.idp.certificate.splitlines()[1:-1])
    given = {"issuer": company.idp.entity_id, "sso_url": company.idp.sso_url, "certificates": [bare]}
    await company.change(metadata=None, **given)
    shown = (await company.owner.client.get(f"/org/sso/{company.id}")).json()
    assert shown["certificates"] == [company.idp.certificate]
    assert (await company.enter())[0].is_in
    other = SamlProvider(entity_id="urn:other", keys=company.idp.keys)
    await company.change(issuer=None, sso_url=None, certificates=[], metadata=other.metadata())
    async with database().transaction(company.owner.actor) as tx:
        kept = select(SsoIdentity).where(col(SsoIdentity.connection_id) == company.id)
        assert (await tx.execute(kept)).scalars().all() == []
        query = select(col(AuditLog.details)).where(col(AuditLog.action) == "sso_connection.updated")
        noted = (await tx.execute(query.order_by(col(AuditLog.id).desc()))).scalars().first()
    assert noted is not None
    assert noted["before"]["issuer"] == company.idp.entity_id
    assert noted["after"]["issuer"] == "urn:other"


async def test_a_connection_may_change_its_protocol(company: Company) -> None:
    oidc = {"name": "Provider", "protocol": "oidc", "issuer": "https://idp.example.com", "client_id": "us"}
    path = f"/org/sso/{company.id}"
    refused = await company.owner.client.put(path, json=oidc)
    assert refused.json()["error"]["details"]["fields"] == {"client_secret": "is needed"}
    changed = await company.owner.client.put(path, json={**oidc, "client_secret": "a secret"})
    assert changed.status_code == 200, changed.text
    assert changed.json()["service_provider"] is None
    assert changed.json()["certificates"] == []
    back = await company.owner.client.put(path, json=company.body)
    assert back.json()["client_id"] is None


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"metadata": "no XML"}, "metadata"),
        ({"metadata": "<a/>"}, "metadata"),
        ({"metadata": '<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>'}, "metadata"),
        ({"metadata": SamlProvider(sso_url="http://idp.example.com/sso").metadata()}, "metadata"),
        ({"metadata": SamlProvider().metadata().replace("HTTP-Redirect", "SOAP")}, "metadata"),
        ({"metadata": SamlProvider().metadata().replace("IDPSSO", "SPSSO")}, "metadata"),
        ({"metadata": SamlProvider().metadata().replace('use="signing"', 'use="encryption"')}, "metadata"),
        ({"issuer": "urn:x"}, "certificates"),
        ({"issuer": "urn:x", "sso_url": "http://idp.example.com", "certificates": []}, "sso_url"),
        ({"issuer": "urn:x", "sso_url": "javascript:alert(1)", "certificates": []}, "sso_url"),
        ({"issuer": "urn:x", "sso_url": "https://a.example/\x01x", "certificates": []}, "sso_url"),
        ({"issuer": "urn:x", "sso_url": "https://a.example", "certificates": ["AAAA"]}, "certificates.0"),
        ({"protocol": "oidc"}, "issuer"),
        ({"protocol": "oidc", "issuer": "https://a.example", "client_secret": "x"}, "client_id"),
        ({"protocol": "oidc", "issuer": "https://a.example", "client_id": "x"}, "client_secret"),
        ({"protocol": "ldap"}, "protocol"),
    ],
)
async def test_what_is_no_provider_is_refused(alice: Person, fields: dict[str, Any], named: str) -> None:
    answer = await alice.client.post("/org/sso", json={"name": "x", "protocol": "saml", **fields})
    assert answer.status_code == 422
    assert named in answer.json()["error"]["details"]["fields"]


async def test_nothing_is_demanded_before_the_provider_is_known(company: Company) -> None:
    body = {"name": "Provider", "protocol": "saml", "domains": [company.domain], "enforced": True}
    answer = await company.owner.client.put(f"/org/sso/{company.id}", json=body)
    assert (answer.status_code, list(answer.json()["error"]["details"]["fields"])) == (422, ["enforced"])


async def test_a_fresh_sign_in_proves_that_it_is_the_person(company: Company) -> None:
    window, _ = await company.enter()
    began = {"prove": "true", "connection": company.id, "next": "/settings/security"}

    async def prove(subject: str = "ada-1", edit: Any = None) -> str:
        url = await window.start(**began)
        to = asked(url)
        assert to.forced
        root = company.idp.response(to, subject, company.mail(), edit=edit)
        return await window.post(urlsplit(to.acs).path, form(root, to.state))

    async def proved() -> int:
        async with database().system() as tx:
            query = (
                select(func.count())
                .select_from(SessionProof)
                .join(User, col(User.id) == col(SessionProof.user_id))
            )
            return (await tx.execute(query.where(col(User.email) == f"ada@{company.domain}"))).scalar_one()

    earlier = _set("saml:AuthnStatement", "AuthnInstant", "2020-01-01T00:00:00Z")
    assert await prove(edit=earlier) == "/settings/security?problem=SSO_NOT_FRESH"
    assert await prove("eve-1") == "/settings/security?problem=SSO_SOMEBODY_ELSE"
    assert await proved() == 0
    assert await prove() == "/settings/security"
    assert await proved() == 1
