"""A server that speaks GitHub's side of OAuth 2, as its documentation tells it, on a port of its own."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from secrets import token_hex
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

CLIENT_ID, CLIENT_SECRET = "Iv1.agentflow", "github's secret of the tests"


class GitHub(ThreadingHTTPServer):
    """`people` maps a login to what /user and /user/emails tell; `codes` and `tokens` belong to logins."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.people: dict[str, tuple[Any, Any]] = {}
        self.codes: dict[str, tuple[str, dict[str, str]]] = {}
        self.tokens: dict[str, str] = {}

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    def authorize(self, url: str, login: str) -> dict[str, str]:
        """What GitHub sends back for `login`, who consents."""
        assert url.startswith(f"http://{self.host}/login/oauth/authorize?")
        return self.consent({name: each[0] for name, each in parse_qs(urlsplit(url).query).items()}, login)

    def consent(self, asked: dict[str, str], login: str) -> dict[str, str]:
        assert asked["client_id"] == CLIENT_ID
        assert "user:email" in asked["scope"].split()
        code = token_hex(10)
        self.codes[code] = login, asked
        return {"code": code, "state": asked["state"]}


class _Handler(BaseHTTPRequestHandler):
    server: GitHub

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        given = {name: each[0] for name, each in parse_qs(body).items()}
        login, asked = self.server.codes.pop(given.get("code", ""), (None, {}))
        hashed = hashlib.sha256(given.get("code_verifier", "").encode()).digest()
        if self.path != "/login/oauth/access_token":
            self._tell(404, {"message": "Not Found"})
        elif (given.get("client_id"), given.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            self._tell(200, {"error": "incorrect_client_credentials"})
        elif (
            login is None
            or given.get("redirect_uri") != asked["redirect_uri"]
            or base64.urlsafe_b64encode(hashed).decode().rstrip("=") != asked["code_challenge"]
        ):
            self._tell(200, {"error": "bad_verification_code"})
        else:
            token = f"gho_{token_hex(10)}"
            self.server.tokens[token] = login
            self._tell(200, {"access_token": token, "token_type": "bearer", "scope": asked["scope"]})

    def do_GET(self) -> None:
        if self.path.startswith("/login/oauth/authorize?"):
            self._ask_person()
            return
        login = self.server.tokens.get(self.headers.get("Authorization", "").removeprefix("Bearer "))
        person, emails = self.server.people.get(login or "", (None, None))
        told = {"/api/v3/user": person, "/api/v3/user/emails": emails}
        if self.path not in told:
            self._tell(404, {"message": "Not Found"})
        elif login is None:
            self._tell(401, {"message": "Bad credentials"})
        else:
            self._tell(200, told[self.path])

    def _ask_person(self) -> None:
        """The page that people see: who they are, and back to where they came from."""
        asked = {name: each[0] for name, each in parse_qs(urlsplit(self.path).query).items()}
        login = asked.pop("login", None)
        if login:
            self.send_response(302)
            back = urlencode(self.server.consent(asked, login))
            self.send_header("Location", f"{asked['redirect_uri']}?{back}")
            self.end_headers()
            return
        hidden = "".join(
            f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
            for name, value in asked.items()
        )
        page = f'<form>{hidden}<label>Username<input name="login"></label><button>Authorize</button></form>'
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(page.encode())

    def _tell(self, status: int, body: Any) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def github() -> Iterator[GitHub]:
    server = GitHub()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
