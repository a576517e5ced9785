"""/schemas and /node-kinds: what the definition format and the kinds look like, for editors and clients."""

from typing import Any

from fastapi import APIRouter

from engine.definition import Definition
from engine.nodes.registry import catalog

router = APIRouter(tags=["schemas"])


@router.get("/schemas/definition")
async def definition_schema() -> dict[str, Any]:
    return Definition.model_json_schema()


@router.get("/node-kinds")
async def node_kinds() -> list[dict[str, Any]]:
    return catalog()
