"""SBOMs held to CycloneDX's own schema, unknown fields refused: `sbom.py FILE...` tells each fault on a line, and ends with 1 if there is one."""

import json
import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator


def faults(file):
    with open(file, encoding="utf-8") as text:
        document = text.read()
    version = json.loads(document)["specVersion"]
    error = JsonStrictValidator(SchemaVersion.from_version(version)).validate_str(document)
    if error is not None:
        yield f"{file}: {str(error.data)[:500]}"
    # What no schema says: each reference leads somewhere, once.
    bom = json.loads(document)
    names = [part["bom-ref"] for part in [bom["metadata"]["component"], *bom["components"]]]
    if len(names) != len(set(names)):
        yield f"{file}: two components have the same bom-ref"
    needed = [name for part in bom["dependencies"] for name in [part["ref"], *part["dependsOn"]]]
    for name in sorted(set(needed) - set(names)):
        yield f"{file}: {name} is needed and not there"


def main():
    told = [fault for file in sys.argv[1:] for fault in faults(file)]
    print("\n".join(told))
    sys.exit(1 if told else 0)


main()
