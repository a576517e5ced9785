import pytest

from engine import DryRun, RunSettings
from engine.egress import GuardedEgress
from engine.library import run
from engine.mail import MailServer
from engine.secrets import GivenSecrets
from engine.testing import run_definition
from engine.validation import validate
from tests.engine.graphs import graph, node
from tests.support.smtp import PASSWORD, USER, certificate, login, mail_server, scripted, tls_context

LETTER = {"to": "ada@example.com", "subject": "Hello", "text": "Good day"}
ONCE = RunSettings(max_retries=0)


def server(port, security="offered", *, host="localhost", auth=False, **more):
    given = {"username": USER, "password": PASSWORD} if auth else {}
    return MailServer("post", host, port, security, "robot@example.com", **{**given, **more})


def sending(config=None, **of_node):
    return graph(node("mail", "action.send_email", config or LETTER, **of_node))


async def send(given, config=None, data=None, *, settings=ONCE, **of_node):
    secrets = GivenSecrets({}, mail_servers=[given])
    return await run_definition(sending(config, **of_node), data, secrets=secrets, settings=settings)


def told(result):
    return (result.status, (result.error or {}).get("code"))


async def test_a_letter_arrives_as_it_was_meant():
    config = {
        "to": "{{ trigger.data.to }}",
        "cc": ['"Bob, B." <bob@example.com>'],
        "bcc": "eve@example.com",
        "reply_to": "desk@bücher.example",
        "from": "Robot <r2@example.com>",
        "subject": "Grüße an {{ trigger.data.name }}",
        "text": "Guten Tag {{ trigger.data.name }}\n.\nEnde",
        "html": "<p>Guten Tag ☀</p>",
    }
    with mail_server() as (box, port):
        result = await send(server(port), config, {"to": ["ada@example.com"], "name": "Ada {{ 7*7 }}"})
    assert result.status == "completed", result.error
    (letter,) = box.letters
    del letter["X-RcptTo"]  # the server's own note
    assert box.recipients == ["ada@example.com", "bob@example.com", "eve@example.com"]
    assert box.senders == ["r2@example.com"]
    assert letter["To"] == "ada@example.com"
    assert letter["Cc"] == '"Bob, B." <bob@example.com>'
    assert letter["Bcc"] is None
    assert "eve" not in letter.as_string()
    assert letter["Reply-To"] == "desk@xn--bcher-kva.example"
    assert str(letter["From"]) == "Robot <r2@example.com>"
    plain, html = letter.get_payload()
    assert plain.get_payload(decode=True).decode().splitlines() == ["Guten Tag Ada {{ 7*7 }}", ".", "Ende"]
    assert "☀" in html.get_payload(decode=True).decode()
    assert letter["Message-ID"] == result.output["message_id"]
    assert letter["Message-ID"].endswith("@example.com>")
    assert result.output["accepted"] == box.recipients
    assert result.output["refused"] == []


async def test_starttls_and_a_login(tmp_path, monkeypatch):
    written, private = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(written))
    options = {"tls_context": tls_context(written, private), "require_starttls": True}
    with mail_server(authenticator=login, auth_required=True, **options) as (box, port):
        assert (await send(server(port, "starttls", auth=True))).status == "completed"
        wrong = await send(server(port, "starttls", auth=True, password="wrong-password"))
        other = await send(server(port, "starttls", host="other.example", auth=True))
    assert len(box.letters) == 1
    assert told(wrong) == ("failed", "MAIL_REFUSED"), wrong.error
    assert "'post'" in wrong.error["message"]
    assert "wrong-password" not in str(wrong.error)
    assert told(other) == ("failed", "MAIL_REFUSED")
    assert "certificate" in other.error["message"]


async def test_tls_from_the_first_byte(tmp_path, monkeypatch):
    written, private = certificate(tmp_path)
    with mail_server(ssl_context=tls_context(written, private)) as (box, port):
        untrusted = await send(server(port, "tls"))
        monkeypatch.setenv("SSL_CERT_FILE", str(written))
        assert (await send(server(port, "tls"))).status == "completed"
    assert told(untrusted) == ("failed", "MAIL_REFUSED")
    assert len(box.letters) == 1


async def test_no_password_goes_out_in_the_open():
    async with scripted(EHLO=b"250-here\r\n250 AUTH PLAIN LOGIN\r\n") as (script, port):
        result = await send(server(port, "starttls", auth=True))
    assert told(result) == ("failed", "MAIL_REFUSED")
    assert not any(line.startswith("AUTH") for line in script.seen)


@pytest.mark.parametrize(
    ("answer", "code", "tries"), [("550", "MAIL_REFUSED", 1), ("450", "MAIL_DEFERRED", 3)]
)
@pytest.mark.parametrize("where", ["recipient", "letter"])
async def test_what_is_refused_for_good_is_not_tried_again(answer, code, tries, where):
    with mail_server() as (box, port):
        if where == "recipient":
            box.refused["*"] = answer
        else:
            box.answer = f"{answer} not today"
        retry = {"max_retries": 2, "backoff_base": 0.01, "backoff_max": 0.01}
        result = await send(server(port), settings=RunSettings(), retry=retry)
    assert told(result) == ("failed", code)
    assert result.error["details"]["status"] == int(answer)
    assert result.steps[0].attempt == tries
    assert box.tried == tries
    assert len(set(box.message_ids)) == (where == "letter"), "a repeat can be told by its Message-ID"


async def test_some_of_the_recipients_are_refused():
    with mail_server() as (box, port):
        box.refused["bob@example.com"] = "550"
        result = await send(server(port), {**LETTER, "to": "ada@example.com; bob@example.com"})
    assert result.output["accepted"] == box.recipients == ["ada@example.com"]
    assert [each["address"] for each in result.output["refused"]] == ["bob@example.com"]


async def test_an_answer_that_is_lost_after_the_letter_leaves_it_open():
    async with scripted(end=b"") as (_, port):
        result = await send(server(port), repeat="never")
        again = await send(server(port))
    assert result.status == "waiting"
    assert result.steps[0].status == "uncertain"
    assert result.steps[0].error["code"] == "MAIL_UNKNOWN"
    assert told(again) == ("failed", "MAIL_UNKNOWN")


@pytest.mark.parametrize("silent", ["greeting", "EHLO", "MAIL", "DATA"])
async def test_a_server_that_says_nothing_is_given_up(monkeypatch, silent):
    for name in ("SECONDS", "AFTER_DATA_SECONDS"):
        monkeypatch.setattr(f"engine.mail.{name}", 0.2)
    async with scripted(**{silent: None}) as (_, port):
        result = await send(server(port))
    assert told(result) == ("failed", "MAIL_UNKNOWN" if silent == "DATA" else "MAIL_DEFERRED")


@pytest.mark.parametrize(
    "answers",
    [
        {"greeting": b"HTTP/1.1 200 OK\r\n\r\n"},
        {"greeting": b"\xff\xfe\x00\r\n"},
        {"greeting": b""},
        {"greeting": b"421 too busy\r\n"},
        {"EHLO": b"250-" + b"x" * 100_000 + b"\r\n"},
        {"MAIL": b""},
    ],
)
async def test_a_broken_server_fails_the_step_for_now(answers):
    async with scripted(**answers) as (_, port):
        result = await send(server(port))
    assert told(result) == ("failed", "MAIL_DEFERRED")
    assert len(result.error["message"]) < 1000


async def test_nobody_there():
    with mail_server() as (_, port):
        pass
    result = await send(server(port))
    assert told(result) == ("failed", "MAIL_DEFERRED")
    assert str(port) in result.error["message"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "169.254.169.254", "10.0.0.1"])
async def test_private_servers_are_not_reached(host):
    egress = GuardedEgress()
    secrets = GivenSecrets({}, mail_servers=[server(25, host=host)])
    result = await run(sending(), egress=egress, secrets=secrets)
    assert told(result) == ("failed", "EGRESS_REFUSED")


async def test_an_organizations_list_of_hosts_holds():
    egress = GuardedEgress(["127.0.0.1"])
    with mail_server() as (box, port):
        for allowed, status in (["mail.example.com"], "failed"), (["127.0.0.1"], "completed"):
            secrets = GivenSecrets({}, mail_servers=[server(port, host="127.0.0.1")])
            result = await run(sending(), egress=egress.limited(allowed), secrets=secrets)
            assert result.status == status, result.error
    assert len(box.letters) == 1


@pytest.mark.parametrize(
    "hostile",
    [
        "Hi\r\nBcc: eve@example.com",
        "Hi\nBcc: eve@example.com",
        "Hi\rBcc: eve@example.com",
        "Hi\u2028Bcc: eve@example.com",
        "Hi\x0bBcc: eve@example.com\x00",
        "=?utf-8?q?Hi=0D=0ABcc:_eve@example.com?=",
        "\ud800",
    ],
)
async def test_a_subject_is_one_line_whatever_is_in_it(hostile):
    with mail_server() as (box, port):
        result = await send(server(port), {**LETTER, "subject": "{{ trigger.data }}"}, hostile)
    assert result.status == "completed", result.error
    assert box.recipients == ["ada@example.com"]
    assert set(box.letters[0].keys()) >= {"From", "To", "Subject"}
    assert box.letters[0]["Bcc"] is None
    assert "\n" not in box.letters[0]["Subject"].replace("\n ", "")


@pytest.mark.parametrize("field", ["to", "cc", "bcc", "reply_to", "from"])
@pytest.mark.parametrize(
    "hostile",
    [
        "ada@example.com\r\nBcc: eve@example.com",
        "ada@example.com\nRCPT TO:<eve@example.com>",
        "Ada\r\n <ada@example.com>",
        "ada@example.com> SIZE=1",
        "<ada@example.com",
        "ada@",
        "@example.com",
        "ada@exa mple.com",
        "ada@example..com",
        "ada@-example.com",
        "a" * 65 + "@example.com",
        "ada@" + "x" * 260 + ".com",
        "ada eve@example.com",
        "ada\x00@example.com",
        "ädä@example.com",
        "[object Object]",
    ],
)
async def test_what_is_no_address_is_not_written_to(field, hostile):
    with mail_server() as (box, port):
        result = await send(server(port), {**LETTER, field: "{{ trigger.data }}"}, hostile)
    assert told(result) == ("failed", "INVALID_CONFIG")
    assert box.tried == 0


@pytest.mark.parametrize(
    "config",
    [
        {**LETTER, "to": [f"a{n}@example.com" for n in range(101)]},
        {**LETTER, "to": ""},
        {**LETTER, "to": []},
        {**LETTER, "subject": "x" * 501},
        {**LETTER, "to": "ada@example.com," * 2000},
        {**LETTER, "to": "ada" + " " * 200_000 + "b"},
        {**LETTER, "to": '"' * 200_001},
        {**LETTER, "attachments": ["/etc/passwd"]},
    ],
)
async def test_what_is_too_much_or_too_little_is_not_sent(config):
    with mail_server() as (box, port):
        assert told(await send(server(port), config)) == ("failed", "INVALID_CONFIG")
    assert box.tried == 0


async def test_a_letter_that_is_too_large_is_not_sent(monkeypatch):
    monkeypatch.setattr("engine.nodes.action.send_email.MAX_BYTES", 1000)
    with mail_server() as (box, port):
        assert told(await send(server(port), {**LETTER, "text": "x" * 1000})) == ("failed", "INVALID_CONFIG")
    assert box.tried == 0


async def test_a_letter_without_a_body():
    with mail_server() as (box, port):
        result = await send(server(port), {"to": "ada@example.com", "subject": "Ping"})
    assert result.status == "completed", result.error
    assert box.letters[0].get_payload().strip() == ""


async def test_a_lent_server_keeps_its_own_address():
    with mail_server() as (box, port):
        lent = server(port, fixed_sender=True)
        assert (await send(lent)).status == "completed"
        assert told(await send(lent, {**LETTER, "from": "boss@example.com"})) == ("failed", "INVALID_CONFIG")
    assert box.senders == ["robot@example.com"]


async def test_a_dry_run_sends_nothing():
    with mail_server() as (box, port):
        secrets = GivenSecrets({}, mail_servers=[server(port)])
        result = await run_definition(sending(), secrets=secrets, dry_run=DryRun())
    assert result.output == {"dry_run": True, "would": LETTER}
    assert box.tried == 0


async def test_without_a_server_it_says_what_to_do():
    result = await run_definition(sending())
    assert told(result) == ("failed", "MISSING_SECRET")
    assert "credential" in result.error["message"]


def test_a_subject_may_be_written_longer_than_it_comes_out():
    written = "{{ trigger.data.name | default('" + "x" * 600 + "') | truncate(20) }}"
    assert validate(sending({**LETTER, "subject": written, "cc": "{{ trigger.data.cc }}"})) == []


@pytest.mark.parametrize("config", [{"to": "no address"}, {"to": 7}, {"cc": "b@"}])
def test_a_config_that_is_none_is_not_published(config):
    assert [problem.code for problem in validate(sending({**LETTER, **config}))] == ["INVALID_CONFIG"]
