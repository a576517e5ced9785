"""The vault's pages: a secret that is typed stays in no state, a viewer sees variables alone."""

from agentflow_app.ui.vault.credentials_state import Credentials
from agentflow_app.ui.vault.secrets_state import Secrets
from tests.actors import Person
from tests.ui.conftest import OpenTab

CANARY = "canary-of-the-pages"


async def test_a_secret_is_kept_by_the_vault_and_not_by_the_page(alice: Person, open_tab: OpenTab) -> None:
    tab = await open_tab(alice, "/settings/secrets")
    await tab.send(Secrets, "load")
    await tab.send(Secrets, "open_form", "secret", "")
    await tab.send(Secrets, "save", {"name": "lower", "value": CANARY})
    assert "capital letters" in tab.state(Secrets).error
    await tab.send(Secrets, "save", {"name": "KEY", "value": CANARY, "description": "For tests"})

    state = tab.state(Secrets)
    assert [(row.name, row.description, row.by) for row in state.secrets] == [("KEY", "For tests", "Alice")]
    assert CANARY not in str(state.dict())

    await tab.send(Secrets, "ask_delete", "secret", state.secrets[0].id)
    await tab.send(Secrets, "delete")
    assert tab.state(Secrets).secrets == []


async def test_a_variable_is_json_where_it_is_json(alice: Person, open_tab: OpenTab) -> None:
    tab = await open_tab(alice, "/settings/secrets")
    await tab.send(Secrets, "load")
    for name, typed in (("text", "eu west"), ("number", "42"), ("quoted", '"42"'), ("deep", '{"a": [1]}')):
        await tab.send(Secrets, "open_form", "variable", "")
        await tab.send(Secrets, "save", {"name": name, "value": typed})
    kept = (await alice.client.get("/org/variables")).json()["data"]
    assert {each["name"]: each["value"] for each in kept} == {
        "text": "eu west",
        "number": 42,
        "quoted": "42",
        "deep": {"a": [1]},
    }
    shown = {row.name: row.value for row in tab.state(Secrets).variables}
    assert shown == {"text": "eu west", "number": "42", "quoted": '"42"', "deep": '{"a": [1]}'}


async def test_a_viewer_sees_variables_alone(alice: Person, bob: Person, open_tab: OpenTab) -> None:
    await alice.client.post("/org/secrets", json={"name": "KEY", "value": CANARY})
    await alice.client.post("/org/variables", json={"name": "region", "value": "eu"})
    tab = await open_tab(bob, "/settings/secrets")
    await tab.send(Secrets, "load")
    state = tab.state(Secrets)
    assert ([row.name for row in state.variables], state.secrets) == (["region"], [])
    assert [state.sees_secrets, state.edits_secrets, state.edits_variables] == [False] * 3

    await tab.send(Credentials, "load")
    assert tab.state(Credentials).failure.status == 403


async def test_a_credential_is_made_changed_and_not_led_elsewhere(alice: Person, open_tab: OpenTab) -> None:
    tab = await open_tab(alice, "/settings/credentials")
    await tab.send(Credentials, "load")
    await tab.send(Credentials, "open_form", "")
    await tab.send(Credentials, "set_type", "api_key")
    form = {"name": "Maps", "carrier": "query", "place": "key", "value": CANARY, "hosts": "maps.example.com"}
    await tab.send(Credentials, "save", form)
    (row,) = tab.state(Credentials).rows
    assert (row.in_query, row.place, row.hosts) == (True, "key", "maps.example.com")

    await tab.send(Credentials, "open_form", row.id)
    wider = {**form, "value": "", "hosts": "maps.example.com\nevil.example"}
    await tab.send(Credentials, "save", wider)
    assert "enter it again" in tab.state(Credentials).error
    await tab.send(Credentials, "save", {**form, "value": "", "carrier": "header", "place": "X-Key"})
    (row,) = tab.state(Credentials).rows
    assert (row.in_query, row.place) == (False, "X-Key")
    assert CANARY not in str(tab.state(Credentials).dict())


async def test_a_mail_server_goes_to_no_other_place(alice: Person, open_tab: OpenTab) -> None:
    tab = await open_tab(alice, "/settings/credentials")
    await tab.send(Credentials, "load")
    await tab.send(Credentials, "open_form", "")
    await tab.send(Credentials, "set_type", "smtp")
    form = {"name": "Post", "host": "smtp.example.com", "port": "465", "security": "tls", "username": "post"}
    await tab.send(Credentials, "save", {**form, "password": CANARY})
    assert "Sender" in tab.state(Credentials).error
    await tab.send(Credentials, "save", {**form, "password": CANARY, "sender": "robot@example.com"})
    (row,) = tab.state(Credentials).rows
    assert (row.hosts, row.host, row.port, row.security) == ("smtp.example.com", form["host"], "465", "tls")
    assert (row.type_label, row.sender) == ("Mail server", "robot@example.com")
    await tab.send(Credentials, "open_form", row.id)
    await tab.send(Credentials, "save", {**form, "host": "evil.example"})
    assert "enter it again" in tab.state(Credentials).error
    assert CANARY not in str(tab.state(Credentials).dict())


async def test_the_hosts_of_requests_are_set_here(alice: Person, open_tab: OpenTab) -> None:
    tab = await open_tab(alice, "/settings/credentials")
    await tab.send(Credentials, "save_hosts", {"hosts": "not a/host"})
    assert tab.state(Credentials).hosts_error.startswith("Hosts: ")
    await tab.send(Credentials, "save_hosts", {"hosts": "A.example\n*.b.example"})
    organization = (await alice.client.get("/org")).json()
    assert organization["settings"]["egress_allowed_hosts"] == ["a.example", "*.b.example"]
