"""/docs: the API's description to read and try, from this server alone."""

from importlib import resources

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

from agentflow_app.core.errors import NotFound

router = APIRouter(include_in_schema=False)
_START = """SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  filter: true,
  tryItOutEnabled: true,
});
"""
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>API · AgentFlow</title>
<link rel="icon" href="/favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<main id="docs"></main>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
_PACKAGED = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
}


@router.get("/docs")
async def documentation() -> HTMLResponse:
    return HTMLResponse(_PAGE)


@router.get("/docs/start.js")
async def start() -> Response:
    return Response(_START, media_type="text/javascript")


@router.get("/docs/{name}")
async def part(name: str) -> Response:
    """A file of the documentation's viewer, which comes with a package."""
    if name not in _PACKAGED:
        raise NotFound(f"There is no {name} here")
    content = resources.files("fastapi_swagger.resources").joinpath(name).read_bytes()
    return Response(content, media_type=_PACKAGED[name])
