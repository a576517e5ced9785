"""`python -m supply_chain audit` and `python -m supply_chain sbom FOLDER`."""

import sys
from pathlib import Path

from supply_chain import audit, sbom

USAGE = "usage: python -m supply_chain audit | sbom FOLDER"


def main(arguments: list[str]) -> int:
    match arguments:
        case ["audit"]:
            return audit.run()
        case ["sbom", folder]:
            return sbom.write(Path(folder))
        case _:
            sys.stderr.write(USAGE + "\n")
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
