"""What SCIM clients can ask about this service: what it can do, which resources and attributes it has."""

from typing import Any

from agentflow_app.sso.scim_schemas import CONFIG, GROUP, RESOURCE_TYPE, SCHEMA, USER
from agentflow_app.sso.scim_tokens import base_url


def config() -> dict[str, Any]:
    off = {"supported": False}
    return {
        "schemas": [CONFIG],
        "patch": {"supported": True},
        "bulk": {**off, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": True, "maxResults": 100},
        "changePassword": off,
        "sort": off,
        "etag": off,
        "authenticationSchemes": [
            {
                "type": "oauthbearertoken",
                "name": "Bearer token",
                "description": "The SCIM token of Settings, Single sign-on",
                "primary": True,
            }
        ],
        "meta": {"resourceType": "ServiceProviderConfig", "location": f"{base_url()}/ServiceProviderConfig"},
    }


def resource_types() -> list[dict[str, Any]]:
    return [
        {
            "schemas": [RESOURCE_TYPE],
            "id": name,
            "name": name,
            "description": description,
            "endpoint": f"/{name}s",
            "schema": schema,
            "meta": {"resourceType": "ResourceType", "location": f"{base_url()}/ResourceTypes/{name}"},
        }
        for name, schema, description in (
            ("User", USER, "A member with an address in a verified domain"),
            ("Group", GROUP, "A team"),
        )
    ]


def _attribute(name: str, kind: str = "string", **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "type": kind,
        "multiValued": False,
        "required": False,
        "caseExact": False,
        "mutability": "readWrite",
        "returned": "default",
        "uniqueness": "none",
        **more,
    }


def schemas() -> list[dict[str, Any]]:
    once = {"mutability": "immutable"}
    name = _attribute("name", "complex", subAttributes=[_attribute("formatted", **once)], **once)
    mail = [
        _attribute("value", mutability="readOnly"),
        _attribute("type", mutability="readOnly"),
        _attribute("primary", "boolean", mutability="readOnly"),
    ]
    member = [
        _attribute("value", **once),
        _attribute("$ref", "reference", referenceTypes=["User"], **once),
        _attribute("display", mutability="readOnly"),
        _attribute("type", mutability="readOnly"),
    ]
    user = [
        _attribute("userName", required=True, uniqueness="server", **once),
        _attribute("displayName", **once),
        name,
        _attribute("emails", "complex", multiValued=True, mutability="readOnly", subAttributes=mail),
        _attribute("active", "boolean"),
    ]
    group = [
        _attribute("displayName", required=True, uniqueness="server"),
        _attribute("members", "complex", multiValued=True, subAttributes=member),
    ]
    return [
        {
            "schemas": [SCHEMA],
            "id": urn,
            "name": called,
            "description": description,
            "attributes": attributes,
            "meta": {"resourceType": "Schema", "location": f"{base_url()}/Schemas/{urn}"},
        }
        for urn, called, description, attributes in (
            (USER, "User", "A member", user),
            (GROUP, "Group", "A team", group),
        )
    ]
