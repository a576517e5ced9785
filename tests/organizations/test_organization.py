"""The organization itself: who may rename it, what its settings take, and having several."""

from typing import Any

import pytest

from tests.actors import People, Person


async def test_only_what_is_given_changes_and_it_is_audited(alice: Person) -> None:
    before = (await alice.client.get("/org")).json()
    named = (await alice.client.put("/org", json={"name": "Über Größe 株式会社"})).json()
    assert named["name"] == "Über Größe 株式会社"
    assert named["slug"] == before["slug"]
    body = {"settings": {"invitation_domains": ["Example.COM"]}}
    assert (await alice.client.put("/org", json=body)).json()["settings"]["invitation_domains"] == [
        "example.com"
    ]
    kept = (await alice.client.put("/org", json={"settings": {}})).json()
    assert kept["settings"]["invitation_domains"] == ["example.com"]
    assert kept["name"] == named["name"]


@pytest.mark.parametrize(
    "body",
    [
        {"plan": "enterprise"},
        {"id": "01900000-0000-7000-8000-000000000000"},
        {"name": " "},
        {"name": "x" * 256},
        {"slug": "Not A Slug"},
        {"slug": "-x"},
        {"settings": {"unknown": 1}},
        {"settings": {"invitation_domains": ["not a domain"]}},
        {"settings": {"invitation_domains": ["x.com"] * 51}},
        {"deleted_at": None},
    ],
)
async def test_what_is_refused(alice: Person, body: dict[str, Any]) -> None:
    before = (await alice.client.get("/org")).json()
    assert (await alice.client.put("/org", json=body)).status_code == 422
    assert (await alice.client.get("/org")).json() == before


async def test_a_short_name_is_of_one_organization(alice: Person, mallory: Person) -> None:
    taken = (await alice.client.get("/org")).json()["slug"]
    answer = await mallory.client.put("/org", json={"slug": taken})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "SLUG_TAKEN")


async def test_a_person_has_several(people: People) -> None:
    made = await people.bob.client.post("/orgs", json={"name": "Bob's own"})
    assert (made.status_code, made.json()["role"]) == (201, "owner")
    mine = (await people.bob.client.get("/orgs")).json()["data"]
    assert [(each["name"], each["role"], each["current"]) for each in mine] == [
        ("alice's", "viewer", True),
        ("Bob's own", "owner", False),
    ]
    assert all(
        each["id"] != made.json()["id"] for each in (await people.alice.client.get("/orgs")).json()["data"]
    )
