"""Manifests held to the schemas of Kubernetes and to our own of custom resources: all faults told, unknown fields refused.

`manifests.py VERSION CUSTOM,... FILE...` prints for each FILE of YAML one JSON line: its objects, and the faults of each that is
wrong. Schemas of Kubernetes VERSION (such as 1.34) are those of the package kubernetes-validate; each CUSTOM is a YAML file, a map of
`apiVersion/kind` to a schema.
"""

import importlib.resources
import json
import sys

import jsonschema
import kubernetes_validate
import referencing
import yaml


def closed(schema):
    """The schema, refusing what it does not name."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: closed(part) for key, part in schema.items()}
    if isinstance(schema.get("properties"), dict):
        schema.setdefault("additionalProperties", False)
    return schema


class Schemas:
    """Validators by kind, each made once."""

    def __init__(self, version, custom):
        package = importlib.resources.files(kubernetes_validate)
        self.folder = package / "kubernetes-json-schema" / f"v{version}.0-local-strict"
        definitions = referencing.Resource.from_contents(self.read("_definitions"))
        self.registry = definitions @ referencing.Registry()
        self.validators = {}
        for file in custom:
            with open(file, encoding="utf-8") as text:
                for name, schema in yaml.safe_load(text).items():
                    schema = {"required": ["apiVersion", "kind", "metadata", "spec"], "properties": {
                        "apiVersion": {}, "kind": {}, "metadata": {"required": ["name", "namespace"]}, "spec": schema}}
                    self.validators[name] = jsonschema.Draft202012Validator(closed(schema))

    def read(self, name):
        return json.loads((self.folder / f"{name}.json").read_text(encoding="utf-8"))

    def faults(self, thing):
        api, kind = thing["apiVersion"], thing["kind"]
        name = f"{api}/{kind}"
        if name not in self.validators:
            group, _, version = api.rpartition("/")
            file = "-".join(part for part in (kind.lower(), group.split(".")[0], version) if part)
            if not (self.folder / f"{file}.json").is_file():
                return [f"no schema of {name}"]
            schema = self.read(file)
            registry = referencing.Resource.from_contents(schema) @ self.registry
            self.validators[name] = jsonschema.Draft202012Validator(schema, registry=registry)
        errors = self.validators[name].iter_errors(thing)
        return [f"{'.'.join(map(str, error.absolute_path))}: {error.message}"[:300] for error in errors]


def main():
    version, custom, *files = sys.argv[1:]
    schemas = Schemas(version, custom.split(","))
    for file in files:
        with open(file, encoding="utf-8") as text:
            objects = [thing for thing in yaml.safe_load_all(text) if thing]
        faults = []
        for thing in objects:
            name = f"{thing['kind']}/{thing['metadata']['name']}"
            faults += [f"{name}: {fault}" for fault in schemas.faults(thing)]
        print(json.dumps({"file": file, "objects": objects, "faults": faults}))


main()
