"""What a repository that nobody has described is like: DAG folders, Airflow's version, Python's path in the image."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath

SKIPPED = {"node_modules", "site-packages", "__pycache__", "venv", "env", "build", "dist", "logs"}
NO_DAGS = re.compile(r"(^|/)(tests?|fixtures|docs?|plugins|include|templates?|examples?_tests?)/|(^|/)(test_|conftest)")
MAKES_DAG = re.compile(r"(^|[^\w.])(models\.)?DAG\(|^\s*@dag\b", re.M)
# Where images keep Airflow's things, if they say nothing else
HOMES = ("/opt/airflow", "/usr/local/airflow", "/app", "/home/airflow/gcs", "/airflow")
DEFAULT_DAGS = tuple(f"{home}/dags" for home in HOMES)
VERSION = r"(\d+\.\d+)(?:\.\d+)?"
PINS = (
    re.compile(rf"^\s*[\"']?apache-airflow(?:\[[^\]]*\])?\s*(?:==|~=|>=)\s*{VERSION}", re.M),
    re.compile(rf"constraints-{VERSION}/"),
    re.compile(rf"apache/airflow:(?:slim-)?{VERSION}"),
    re.compile(rf"(?:AIRFLOW_VERSION|AIRFLOW_TAG)\s*[=:]\s*[\"']?{VERSION}"),
    re.compile(rf"composer-\d[\w.]*-airflow-{VERSION}"),
)
# Astronomer's images have numbers of their own, until Airflow 3
ASTRO = re.compile(r"(?:astro-runtime|astrocrpublic\.azurecr\.io/(?:astronomer/)?(?:astro-)?runtime):(\d+)\.(\d+)")
ASTRO_FIRST = 4  # is Airflow 2.2, and each next one the next minor version
PYTHONS = (
    re.compile(r"airflow:(?:slim-)?\d[\w.]*-python(3\.\d+)"),
    re.compile(r"constraints-[\d.]+/constraints-(3\.\d+)"),
    re.compile(r"^\s*requires-python\s*=\s*[\"'][~>=^ ]*(3\.\d+)", re.M),
    re.compile(r"^\s*FROM\s+python:(3\.\d+)", re.M),
)


class Layout:
    """A repository, read by its text alone."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @cached_property
    def files(self) -> list[str]:
        """All files but those of tools, as paths from the root."""
        found = []
        for place, folders, names in os.walk(self.root):
            folders[:] = [name for name in folders if name not in SKIPPED and not name.startswith(".")]
            found += [Path(place, name).relative_to(self.root).as_posix() for name in names]
        return sorted(found)

    def text(self, name: str) -> str:
        try:
            return (self.root / name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def texts(self, pattern: str) -> list[str]:
        """The texts of the files with such a name, those nearest to the root first."""
        names = [name for name in self.files if re.search(pattern, name)]
        return [self.text(name) for name in sorted(names, key=lambda name: (name.count("/"), name))]

    @cached_property
    def requirements(self) -> list[str]:
        named = r"requirements[^/]*\.(txt|in|lock)|requirements/[^/]*\.(txt|in)|constraints[^/]*\.txt"
        return self.texts(rf"(^|/)({named}|pyproject\.toml|setup\.(py|cfg))$")

    @cached_property
    def images(self) -> list[str]:
        return self.texts(r"(^|/)(Dockerfile[^/]*|[^/]*\.[Dd]ockerfile|[^/]*compose[^/]*\.ya?ml|\.env[^/]*)$")

    @cached_property
    def airflow_version(self) -> str:
        """The version that most of what installs it names, as 2.10; '' where nothing does."""
        for texts in (self.requirements, self.images):
            named = [match[1] for text in texts for pattern in PINS for match in pattern.finditer(text)]
            for major, minor in [match.groups() for text in texts for match in ASTRO.finditer(text)]:
                named.append(f"{major}.{minor}" if int(major) == 3 else f"2.{int(major) - ASTRO_FIRST + 2}")
            if named:
                return Counter(named).most_common(1)[0][0]
        return ""

    @cached_property
    def python(self) -> str:
        found = [
            match[1]
            for pattern in PYTHONS
            for text in [*self.images, *self.requirements]
            for match in pattern.finditer(text)
        ]
        return found[0] if found else ""

    @cached_property
    def dag_files(self) -> list[str]:
        """The files that seem to make a DAG."""
        named = [name for name in self.files if name.endswith(".py") and not NO_DAGS.search(name)]
        return [name for name in named if "airflow" in (text := self.text(name)) and MAKES_DAG.search(text)]

    @cached_property
    def placed(self) -> list[tuple[str, str]]:
        """Folders of the repository and where an image has them: by COPY and by mounts of docker compose."""
        found = []
        names = [name for name in self.files if re.search(r"(^|/)(Dockerfile[^/]*|[^/]*compose[^/]*\.ya?ml)$", name)]
        for name in names:
            here, text = PurePosixPath(name).parent, self.text(name)
            home = next(iter(re.findall(r"AIRFLOW_HOME\s*[=:]\s*[\"']?(/[\w./-]+)", text)), HOMES[0])
            text = re.sub(
                r"\$\{?(AIRFLOW_HOME|PROJECT_DIR)\}?",
                home,
                re.sub(r"\$\{[A-Z_]*(DIR|PATH|HOME)[A-Z_]*:-\.?\}", ".", text),
            )
            pairs = re.findall(r"^\s*(?:COPY|ADD)\s+(?:--\S+\s+)*([\w./-]+)\s+([\w./-]+)\s*$", text, re.M)
            pairs += re.findall(r"-\s*[\"']?(\.{1,2}[\w./-]*|[\w-]+/[\w./-]*):(/[\w./-]+)", text)
            for source, target in pairs:
                folder = os.path.normpath((here / source).as_posix().lstrip("/"))
                if not folder.startswith("..") and (self.root / folder).is_dir():
                    target = target if target.startswith("/") else f"{home}/{target}"
                    found.append((folder, os.path.normpath(target)))
        return found

    @cached_property
    def dags_folders(self) -> list[str]:
        """The folders that Airflow gets; the one with the most DAG files first."""
        stated = [path for text in [*self.images, *self.texts(r"airflow[^/]*\.cfg$")] for path in _dags_paths(text)]
        wanted = {os.path.normpath(path) for path in (*stated, *DEFAULT_DAGS)}
        candidates = {folder for folder, target in self.placed if target in wanted and folder != "."}
        for path in wanted:  # in a folder that is placed as a whole
            inside = [
                (folder, path[len(target) :].strip("/"))
                for folder, target in self.placed
                if path.startswith(f"{target}/")
            ]
            candidates |= {os.path.normpath(f"{folder}/{rest}") for folder, rest in inside}
        found = self._with_dags(candidates)
        rest = [name for name in self.dag_files if not any(_is_in(name, folder) for folder in found)]
        return self._with_dags([*found, *(_by_name(name) for name in rest if "dags" in name.split("/")[:-1])]) or (
            self._with_dags({str(PurePosixPath(name).parent) for name in rest} - {"."})
        )

    def _with_dags(self, folders: Iterable[str]) -> list[str]:
        """The folders that have DAG files, without those in others; the fullest first."""
        counts = {folder: sum(_is_in(name, folder) for name in self.dag_files) for folder in folders}
        kept = [folder for folder in counts if counts[folder] and (self.root / folder).is_dir()]
        kept = [one for one in kept if not any(_is_in(f"{one}/", other) for other in kept if other != one)]
        return sorted(kept, key=lambda folder: (-counts[folder], folder))

    @cached_property
    def sources(self) -> list[str]:
        """The Python files below the DAG folders."""
        return [
            name for name in self.files if name.endswith(".py") and any(_is_in(name, one) for one in self.dags_folders)
        ]

    @cached_property
    def path(self) -> list[str]:
        """The folders that must be on Python's path, by what the DAG folders import."""
        wanted: Counter[str] = Counter()
        for name in self.sources:
            wanted.update(set(_tops(self.text(name))))
        packages: dict[str, set[str]] = {}
        for name in self.files:
            parts = PurePosixPath(name).parts
            if name.endswith(".py") and not NO_TESTS.search(name):
                for depth in range(min(len(parts), 4)):
                    folder = "/".join(parts[:depth]) or "."
                    packages.setdefault(parts[depth].removesuffix(".py"), set()).add(folder)
        found: Counter[str] = Counter()
        for top, number in wanted.items():
            places = packages.get(top, set())
            own = {folder for folder in places if any(folder == one for one in self.dags_folders)}
            if places and not own and not _elsewhere(top, self.root):
                found[min(places, key=lambda folder: (folder.count("/") + (folder != "."), folder))] += number
        beside = [os.path.normpath(f"{one}/../plugins") for one in self.dags_folders]
        found.update(one for one in beside if (self.root / one).is_dir() and not one.startswith(".."))
        return [folder for folder, _ in found.most_common()]


NO_TESTS = re.compile(r"(^|/)tests?/")


def _dags_paths(text: str) -> Iterator[str]:
    yield from re.findall(r"AIRFLOW__CORE__DAGS_FOLDER\s*[=:]\s*[\"']?(/[\w./-]+)", text)
    yield from re.findall(r"^\s*dags_folder\s*=\s*(/[\w./-]+)", text, re.M)


def _is_in(name: str, folder: str) -> bool:
    return folder == "." or name.startswith(f"{folder}/")


def _by_name(name: str) -> str:
    """The outermost folder called dags that the file is in."""
    parts = name.split("/")
    return "/".join(parts[: parts.index("dags") + 1])


def _tops(text: str) -> Iterator[str]:
    """The first names of what a file imports, wherever."""
    try:
        nodes = list(ast.walk(ast.parse(text)))
    except (SyntaxError, ValueError, RecursionError):
        return
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def _elsewhere(top: str, root: Path) -> bool:
    """Whether it is Python's own or an installed package."""
    if top in sys.stdlib_module_names or top == "airflow":
        return True
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return False
    places = [spec.origin or "", *(spec.submodule_search_locations or ())] if spec else []
    return any(place and not Path(place).is_relative_to(root) for place in places)
