"""Nothing of ours connects to the outside past the egress policy: every client in the code is found."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("agentflow_app", "engine", "workers")
CLIENTS = {
    "httpx": {"AsyncClient", "Client", "AsyncHTTPTransport", "HTTPTransport", "get", "post", "put", "patch"}
    | {"delete", "head", "options", "request", "stream"},
    "requests": {"get", "post", "put", "patch", "delete", "head", "options", "request", "Session", "session"},
    "aiohttp": {"ClientSession", "request"},
    "urllib.request": {"urlopen", "build_opener", "urlretrieve", "URLopener"},
    "urllib3": {"PoolManager", "request", "HTTPConnectionPool", "HTTPSConnectionPool"},
    "http.client": {"HTTPConnection", "HTTPSConnection"},
    "smtplib": {"SMTP", "SMTP_SSL", "LMTP"},
    "aiosmtplib": {"send", "SMTP"},
    "ftplib": {"FTP", "FTP_TLS"},
    "socket": {"socket", "create_connection"},
    "asyncio": {"open_connection", "open_unix_connection", "create_connection"},
    "websockets": {"connect"},
    "websockets.asyncio.client": {"connect"},
    "boto3": {"client", "resource", "Session", "session"},
    "authlib.integrations.httpx_client": {"AsyncOAuth2Client", "OAuth2Client", "AsyncAssertionClient"},
    "anyio": {"connect_tcp", "connect_unix"},
}
CLIENTS["httpx2"] = CLIENTS["httpx"]
LOOP_METHODS = {"create_connection", "sock_connect", "create_unix_connection"}
EXEMPT = {
    # The policy itself.
    "engine/egress/__init__.py: httpx.AsyncClient",
    "engine/egress/transport.py: http.AsyncHTTPTransport",
    "engine/egress/sockets.py: socket.socket",
    "engine/egress/sockets.py: loop.sock_connect",
    # Given a socket of the egress's.
    "engine/mail.py: aiosmtplib.SMTP",
    # Model SDKs' clients: each is given the egress's transport.
    "engine/llm/router.py: httpx2.AsyncClient",
    # Given the egress's transport.
    "agentflow_app/sso/provider.py: authlib.integrations.httpx_client.AsyncOAuth2Client",
    # The operator's own: the master key's keeper and the mail server that the operator set.
    "agentflow_app/core/crypto/kms.py: boto3.client",
    "agentflow_app/mail/transport.py: aiosmtplib.send",
    # The operator's machine: is the port free, does our own server answer, is there a socket.
    "agentflow_app/supervisor/preflight.py: socket.socket",
    "agentflow_app/supervisor/readiness.py: http.client.HTTPConnection",
    "agentflow_app/health.py: http.client.HTTPConnection",
    "agentflow_app/core/embedded/redis.py: socket.socket",
    # The command line's calls to the server that its user named.
    "agentflow_app/cli/transfer.py: httpx.Client",
}


def clients(path: Path) -> Iterator[str]:
    """Every mention of something that connects, also under another name, also without being called."""
    tree = ast.parse(path.read_text())
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
                if alias.name in CLIENTS.get(node.module, ()):
                    yield f"{node.module}.{alias.name}"
    typing = {id(inner) for part in annotations(tree) for inner in ast.walk(part)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and id(node) not in typing:
            dotted = full_name(node, names)
            module, _, name = dotted.rpartition(".")
            if (
                name in CLIENTS.get(module, ())
                or (name in LOOP_METHODS and module)
                or name == "AsyncHTTPTransport"
            ):
                yield dotted


def annotations(tree: ast.AST) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign) or (isinstance(node, ast.arg) and node.annotation):
            yield node.annotation
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns:
            yield node.returns


def full_name(node: ast.expr, names: dict[str, str]) -> str:
    if isinstance(node, ast.Attribute):
        return f"{full_name(node.value, names)}.{node.attr}"
    return names.get(node.id, node.id) if isinstance(node, ast.Name) else ""


def found_in(root: Path) -> set[str]:
    files = [file for package in PACKAGES for file in sorted((root / package).rglob("*.py"))]
    return {f"{file.relative_to(root)}: {client}" for file in files for client in clients(file)}


def test_every_client_is_the_egress_or_the_operators_own() -> None:
    assert found_in(ROOT) == EXEMPT


def test_the_search_finds_clients_in_disguise(tmp_path: Path) -> None:
    folder = tmp_path / "engine"
    folder.mkdir()
    (folder / "a.py").write_text(
        "import httpx as h\nimport urllib.request\nfrom smtplib import SMTP as Letters\n"
        "import boto3, socket\n"
        "def f():\n    import requests\n    make = h.AsyncClient\n    urllib.request.urlopen('x')\n"
        "    boto3.client('s3'); requests.get('x'); socket.create_connection(('a', 1))\n"
        "def g(client: h.AsyncClient) -> h.Client: ...\n"
    )
    assert found_in(tmp_path) == {
        f"engine/a.py: {name}"
        for name in (
            "httpx.AsyncClient",
            "urllib.request.urlopen",
            "smtplib.SMTP",
            "boto3.client",
            "requests.get",
            "socket.create_connection",
        )
    }
