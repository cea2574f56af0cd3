"""Every image of the release, as this checkout renders it: `make images`.

A line each: the image with its tag, then who runs it. What Airflow starts by itself (the pods of tasks) is there, too.
"""

from collections.abc import Iterator
from typing import Any

import yaml

from etl_tools.cluster.helm_values import chart, paths
from etl_tools.cluster.kubectl import ClusterError, helm

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def used(rendered: str) -> dict[str, set[str]]:
    """Return image → who runs it (kind/name), of a rendered chart."""
    found: dict[str, set[str]] = {}
    for item in filter(None, yaml.load_all(rendered, Loader=LOADER)):
        for image in images_in(item):
            found.setdefault(image, set()).add(f"{item['kind'].lower()}/{item['metadata']['name']}")
    return found


def images_in(item: dict[str, Any]) -> Iterator[str]:
    """Yield the images of an object; a ConfigMap may hold the pod of a task as text."""
    for path, value in paths(item):
        name = path.rpartition(".")[2]
        if name == "image" and isinstance(value, str):
            yield value
        elif item["kind"] == "ConfigMap" and path.startswith("data.pod_template_file") and value:
            yield from images_in({"kind": "Pod", "in": yaml.load(value, Loader=LOADER)})


def images() -> None:
    """Print the images; ClusterError if the chart does not render."""
    rendered = helm("template", *chart(), "--skip-tests", timeout=120)
    found = used(rendered)
    if not found:
        raise ClusterError("the chart renders no pod: make doctor says what is wrong with the values")
    width = max(map(len, found))
    for image in sorted(found):
        print(f"{image:<{width}}  {', '.join(sorted(found[image]))}")
