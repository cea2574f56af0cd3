"""Your packages, in the same versions on laptops and in the pods: `make add`, `make lock`, `make image`.

pyproject.toml says what the DAGs import. requirements.lock is all of it, for laptops and CI.
requirements-image.lock is what the stock image lacks, resolved against what it has: nothing which that one
brings is replaced. docs/packages.md tells the rest.

Exit code 0: done. 1: refused, and no file was changed. 2: wrong usage.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import string
import subprocess
import sys
import tempfile
import tomllib
import urllib.request
from collections.abc import Callable, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING

from dag_integrity.image import STOCK_IMAGE
from etl_tools.answers import DAG_DELIVERY, GIT_REPO, GITHUB_APP, ROOT

if TYPE_CHECKING:  # it comes with Airflow
    from packaging.requirements import Requirement

# Name → version, or None where none is known.
Pins = dict[str, str | None]
STOCK_LIST = "stock_image.txt of airflow-etl-tools"
STOCK_REPOSITORY = "apache/airflow"
# The versions that the released image is built with. AIRFLOW_CONSTRAINTS names a copy: a file or an address.
CONSTRAINTS = "https://raw.githubusercontent.com/apache/airflow/constraints-{}/constraints-{}.txt"
DOCKERFILE = "Dockerfile"
DOCKERIGNORE = ".dockerignore"
LOCK = "requirements.lock"
IMAGE_LOCK = "requirements-image.lock"
VALUES = "helm/values.yaml"
# Where a git host keeps the images of a repository.
REGISTRIES = {"github.com": "ghcr.io", "gitlab.com": "registry.gitlab.com"}
# What s3:// needs in the pods; the stock image has what gs:// and abfs:// need.
S3FS = "apache-airflow-providers-amazon[s3fs]"
HOW_ELSE = "Ask for another version, or give the task packages of its own (make new-dag KIND=heavy)"


def canonical(name: str) -> str:
    """Return a distribution's name as PyPI compares it: A_b.c is a-b-c."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(path: Path | Traversable) -> Pins:
    """Return name → version, or None where none is given, of a lock, list or constraints file; a missing one has none.

    Lines that end in a question mark are left out: whether the image has those is not known.
    """
    if not path.is_file():
        return {}
    text = re.sub(r".*\?[ \t]*$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = re.findall(r"^([A-Za-z0-9][\w.-]*)(?:==([^\s;\\]+))?", text, re.MULTILINE)
    return {canonical(name): version or None for name, version in lines}


def stock_versions() -> tuple[str, str]:
    """Return Airflow's and Python's version in the stock image: by the Dockerfile, or else by pyproject.toml."""
    if (ROOT / DOCKERFILE).exists():
        text = (ROOT / DOCKERFILE).read_text(encoding="utf-8")
        found = re.search(rf"^FROM {STOCK_REPOSITORY}:([\d.]+)-python([\d.]+)", text, re.MULTILINE)
        if not found:
            raise ValueError(f"Dockerfile: no line FROM {STOCK_REPOSITORY}:<version>-python<version>")
        return found[1], found[2]
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    airflow = re.search(r'"apache-airflow==([\d.]+)"', text)
    python = tomllib.loads(text)["tool"].get("dag-integrity", {}).get("python")
    if not (airflow and python):
        raise ValueError("pyproject.toml must have apache-airflow==<version>, and python in [tool.dag-integrity]")
    return airflow[1], python


def dockerfile() -> str:
    """Return the text of the Dockerfile that the first added package brings."""
    airflow, python = stock_versions()
    return string.Template(own_text("Dockerfile.txt")).substitute(airflow=airflow, python=python)


def own_text(name: str) -> str:
    """Return a text that comes with this package."""
    return resources.files("etl_tools.local").joinpath(name).read_text(encoding="utf-8")


def write_new(path: Path, text: str) -> None:
    """Write a file that is not there yet: from then on it is its owner's."""
    if not path.exists():
        path.write_text(text, encoding="utf-8")


def listed() -> Pins:
    """Return name → version of what the stock image brings, by the list that comes with the tools."""
    return pins(STOCK_IMAGE)


@functools.cache
def stock_packages() -> tuple[Pins, str]:
    """Return the same with the versions that Airflow published, where they can be read, and their source."""
    airflow, python = stock_versions()
    place = os.environ.get("AIRFLOW_CONSTRAINTS") or CONSTRAINTS.format(airflow, python)
    try:
        if "://" in place:
            place, _ = urllib.request.urlretrieve(place)
        published = pins(Path(place))
    except (OSError, ValueError) as problem:
        if os.environ.get("AIRFLOW_CONSTRAINTS"):
            raise ValueError(f"AIRFLOW_CONSTRAINTS={place}: {problem}") from problem
        return listed(), STOCK_LIST
    versions = {name: published.get(name, version) for name, version in listed().items()}
    return versions, f"Airflow's constraints of {airflow} for Python {python}"


def stock_pins() -> list[str]:
    """Return the stock image's packages whose versions are known, as name==version."""
    return [f"{name}=={version}" for name, version in stock_packages()[0].items() if version]


def uv(*arguments: str, cwd: Path) -> None:
    """Run uv. ValueError with what it says."""
    # The Makefile puts one there where PATH has none.
    command = [shutil.which("uv") or str(ROOT / ".tools/bin/uv"), *arguments, "--quiet"]
    environment = os.environ | {"UV_PYTHON_DOWNLOADS": "never"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ValueError(done.stderr.strip())


def asked_for(folder: Path) -> list[Requirement]:
    """Return the requirements of a folder's pyproject.toml that hold in the image."""
    from packaging.requirements import Requirement

    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    python = stock_versions()[1]
    image = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux"}
    found = [Requirement(line) for line in project["dependencies"]]
    return [item for item in found if item.marker is None or item.marker.evaluate(image)]


def lock(folder: Path, packages: Sequence[str], upgrade: bool) -> None:
    """Resolve the pyproject.toml of a folder into both locks there. packages: those that are new in it.

    uv keeps the versions that a lock has where it can; a package that is in none gets the image's.
    """
    if upgrade:
        (folder / LOCK).write_text("")
        (folder / IMAGE_LOCK).unlink(missing_ok=True)
    known = pins(folder / LOCK)
    with (folder / LOCK).open("a", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in stock_pins() if line.split("==")[0] not in known)
    missing = [str(item) for item in asked_for(folder) if item.extras or canonical(item.name) not in listed()]
    added = lock_image(folder, [*packages, *missing]) if packages or missing else ""
    write_image_lock(folder, added)
    try:
        lock_laptop(folder)
    except ValueError:
        if not added:
            raise
        # A version that Pythons older than the image's do not get: they take one of their own.
        only = rf"\1 ; python_version >= '{stock_versions()[1]}'"
        write_image_lock(folder, re.sub(r"^([\w.-]+==[^\s;\\]+)", only, added, flags=re.MULTILINE))
        lock_laptop(folder)


def lock_laptop(folder: Path) -> None:
    """Resolve everything, for all Pythons that pyproject.toml allows, with the image lock's versions."""
    text = (folder / "pyproject.toml").read_text(encoding="utf-8")
    oldest = re.search(r'^requires-python = ">=([\d.]+)', text, re.MULTILINE)
    if not oldest:
        raise ValueError('pyproject.toml must have requires-python = ">=…"')
    options = ["--group=dev", f"--python-version={oldest[1]}"]
    if (folder / IMAGE_LOCK).exists():
        options.append(f"--constraint={IMAGE_LOCK}")
    uv("pip", "compile", *options, f"--output-file={LOCK}", "pyproject.toml", cwd=folder)


def lock_image(folder: Path, requirements: list[str]) -> str:
    """Resolve requirements against what the image has; return the lines of what has to be added to it."""
    (folder / "asked.txt").write_text("\n".join(requirements))
    (folder / "stock.txt").write_text("\n".join(stock_pins()))
    options = [f"--python-version={stock_versions()[1]}", "--python-platform=linux", "--no-universal"]
    options += ["--no-header", "--constraint=stock.txt", f"--output-file={IMAGE_LOCK}"]
    options += [f"--no-emit-package={name}" for name in listed()]
    try:
        uv("pip", "compile", *options, "asked.txt", cwd=folder)
    except ValueError as problem:
        source = f"The image's versions are by {stock_packages()[1]}."
        raise ValueError(f"{problem}\n{source} {HOW_ELSE}.") from problem
    lines = (folder / IMAGE_LOCK).read_text(encoding="utf-8").splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("#"))


def write_image_lock(folder: Path, added: str) -> None:
    """Write what is added to the image, below a header; nothing where nothing ever was."""
    if not added and not (ROOT / IMAGE_LOCK).exists():
        (folder / IMAGE_LOCK).unlink(missing_ok=True)
        return
    header = "# Added to {}:{}-python{} by the Dockerfile; written by `make add` and `make lock`.\n"
    text = header.format(STOCK_REPOSITORY, *stock_versions())
    if added:
        text += f"# Resolved against {stock_packages()[1]}.\n{added}"
    (folder / IMAGE_LOCK).write_text(text, encoding="utf-8")


def image_in_values(text: str) -> tuple[str, str]:
    """Return the repository and the tag of the image in the text of values.yaml."""
    found = dict(re.findall(r'^defaultAirflow(Repository|Tag): "?([^"\s]+)', text, re.MULTILINE))
    if len(found) < 2:
        raise ValueError(f"{VALUES}: lacks defaultAirflowRepository or defaultAirflowTag at its top level")
    return found["Repository"], found["Tag"]


def own_tag(folder: Path = ROOT) -> str:
    """Return the tag of the image with the added packages: by its content, so that CI and values agree."""
    text = (ROOT / DOCKERFILE).read_bytes() if (ROOT / DOCKERFILE).exists() else dockerfile().encode()
    content = text + (folder / IMAGE_LOCK).read_bytes()
    return f"{stock_versions()[0]}-{hashlib.sha256(content).hexdigest()[:12]}"


def is_known(tag: str) -> bool:
    """Whether the lists here say what is in the image with this tag: the stock one, or that of the lock."""
    stock = tag.partition("-python")[0] == stock_versions()[0]
    return stock or ((ROOT / IMAGE_LOCK).exists() and tag == own_tag())


def own_repository(current: str) -> str | None:
    """Return where this repository's images are: IMAGE=…, what the values say, or the git host's registry."""
    given = os.environ.get("IMAGE", "")
    if given and not re.fullmatch(r"[\w.-]+(:\d+)?(/[\w.-]+)+", given):
        raise ValueError(f"IMAGE={given}: write registry/path without a tag (registry.example.com/team/etl)")
    if given or current != STOCK_REPOSITORY:
        return given or current
    host, _, path = re.sub(r"^(\w+://)?([^@/]+@)?", "", GIT_REPO).replace(":", "/", 1).partition("/")
    return f"{REGISTRIES[host]}/{path.removesuffix('.git')}".lower() if host in REGISTRIES else None


def switch_image(folder: Path) -> str | None:
    """Have the values name the image that the lock needs; return it, or None if its registry is unknown."""
    path = folder / VALUES
    text = path.read_text(encoding="utf-8")
    if pins(folder / IMAGE_LOCK):
        repository, tag = own_repository(image_in_values(text)[0]), own_tag(folder)
        if repository is None:
            return None
    else:
        repository, tag = STOCK_REPOSITORY, "{}-python{}".format(*stock_versions())
    text = re.sub(r"^(defaultAirflowRepository: ).*", rf"\g<1>{repository}", text, flags=re.MULTILINE)
    text = re.sub(r"^(defaultAirflowTag: ).*", rf'\g<1>"{tag}"', text, flags=re.MULTILINE)
    path.write_text(text, encoding="utf-8")
    return f"{repository}:{tag}"


def change(packages: Sequence[str] = (), upgrade: bool = False) -> None:
    """Add packages to pyproject.toml, if any; write both locks and the values' image: all, or nothing."""
    own_repository(STOCK_REPOSITORY)  # a wrong IMAGE=… is refused before anything takes its time
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "helm").mkdir()
        # Where the lock finds the wheel of these tools, if the project's index does not have it.
        if (ROOT / "vendor").is_dir():
            (folder / "vendor").symlink_to(ROOT / "vendor")
        files = ("pyproject.toml", LOCK, IMAGE_LOCK, VALUES, DOCKERFILE, DOCKERIGNORE)
        for file in filter(lambda name: (ROOT / name).exists(), files):
            shutil.copyfile(ROOT / file, folder / file)
        if packages:
            uv("add", "--frozen", *packages, cwd=folder)
        lock(folder, packages, upgrade)
        image = switch_image(folder)
        if pins(folder / IMAGE_LOCK):
            write_new(folder / DOCKERFILE, dockerfile())
            write_new(folder / DOCKERIGNORE, own_text("dockerignore.txt"))
        for file in filter(lambda name: (folder / name).exists(), files):
            if not (ROOT / file).exists() or (folder / file).read_bytes() != (ROOT / file).read_bytes():
                shutil.copyfile(folder / file, ROOT / f"{file}.new")
                os.replace(ROOT / f"{file}.new", ROOT / file)
    added = pins(ROOT / IMAGE_LOCK)
    if not added:
        print("The stock image has all that the DAGs need already.")
        return
    print("Added to the image:", ", ".join(f"{name} {version}" for name, version in added.items()))
    print(next_step(image))


def next_step(image: str | None) -> str:
    """What to do once the locks are written; image: what the values name, None where nobody has said a registry."""
    if not image:
        return "Where are your images? Say it once: make lock IMAGE=registry.example.com/team/etl"
    if any((ROOT / name).exists() for name in (".github/workflows", ".gitlab-ci.yml")):
        how = "Commit and push: CI builds it (or: make image). Then make deploy."
    else:
        how = "Next: make image, which builds and pushes it; commit and push; then make deploy."
    return f"{VALUES} names it: {image}\n{how}"


def missing_in_image() -> list[str]:
    """Return what the image in helm/values.yaml lacks of what the DAGs need: a line each, with the fix."""
    added = pins(ROOT / IMAGE_LOCK)
    has = listed() | added
    values = (ROOT / VALUES).read_text(encoding="utf-8")
    repository, tag = image_in_values(values)
    found = []
    if "s3fs" not in has and re.search(r'name: ETL_DATA_ROOT\s+value: "?s3:', values):
        found.append(f"s3:// needs s3fs, which the image lacks: make add PKG='{S3FS}'")
    if GITHUB_APP and DAG_DELIVERY == "git-dag-bundle" and "pygithub" not in has:
        found.append("a GitHub App's bundle needs PyGithub, which the image lacks: make add PKG=PyGithub")
    names = [item.name for item in asked_for(ROOT) if canonical(item.name) not in has]
    if names:
        found.append(f"{IMAGE_LOCK} lacks {', '.join(names)} of pyproject.toml: make lock")
    if added and tag != own_tag():
        where = " IMAGE=registry.example.com/team/etl" if repository == STOCK_REPOSITORY else ""
        found.append(f"{VALUES} names an image of other packages than {IMAGE_LOCK}: make lock{where}")
    return found


def image_to_build() -> str:
    """Return the image that the values name and CI or `make image` builds; "" when nothing was added."""
    if not pins(ROOT / IMAGE_LOCK):
        return ""
    repository, tag = image_in_values((ROOT / VALUES).read_text(encoding="utf-8"))
    if tag != own_tag():
        raise ValueError(f"{VALUES} does not name the image of this {IMAGE_LOCK}: run make lock first")
    return f"{repository}:{tag}"


def add() -> int:
    """Add what PKG names; return the exit code."""
    if not (packages := os.environ.get("PKG", "").split()):
        print("make add: which ones? make add PKG=openpyxl", file=sys.stderr)
        return 2
    return refused("add", lambda: change(packages))


def lock_again(upgrade: bool) -> int:
    """Resolve pyproject.toml into the locks again; return the exit code."""
    return refused("lock", lambda: change(upgrade=upgrade))


def image() -> int:
    """Print the image that CI or `make image` builds; return the exit code."""
    return refused("image", lambda: print(image_to_build()))


def refused(target: str, action: Callable[[], None]) -> int:
    """Do it, and return the exit code; where it cannot be done, every file is as it was."""
    try:
        action()
    except ValueError as problem:
        print(f"make {target}: {problem}\nNothing was changed.", file=sys.stderr)
        return 1
    return 0
