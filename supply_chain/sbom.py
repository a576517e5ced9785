"""Bills of materials (CycloneDX, JSON) of the Python and npm packages, from the lock files."""

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

ROOT = Path(__file__).parents[1]


def write(folder: Path) -> int:
    """Writes `python.cdx.json` and `npm.cdx.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = json.loads((ROOT / "reflex.lock" / "package-lock.json").read_text())
    (folder / "npm.cdx.json").write_text(bill_of_npm(lock))
    command = [sys.executable, "-m", "cyclonedx_py", "requirements", str(ROOT / "requirements.lock")]
    return subprocess.run([*command, "-o", str(folder / "python.cdx.json")], check=False).returncode


def bill_of_npm(lock: dict[str, Any]) -> str:
    """The bill of a package-lock.json, version 3."""
    bom = Bom()
    for path, package in lock["packages"].items():
        if path:
            bom.components.add(_component(path.rpartition("node_modules/")[2], package))
    return make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=1)


def _component(name: str, package: dict[str, Any]) -> Component:
    scope, _, short = name.rpartition("/")
    url = PackageURL("npm", scope or None, short, package["version"])
    algorithm, _, digest = package.get("integrity", "").partition("-")
    hashes = (
        [HashType(alg=HashAlgorithm.SHA_512, content=base64.b64decode(digest).hex())]
        if algorithm == "sha512"
        else []
    )
    return Component(
        type=ComponentType.LIBRARY,
        name=name,
        version=package["version"],
        purl=url,
        bom_ref=str(url),
        hashes=hashes,
    )
