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
# Variables of docker compose that stand for a folder of the checkout, and with what to read instead
OF_THE_CHECKOUT = ((r"\$\{\w+:?-(\.[\w./-]*)\}", r"\1"), (r"\$\{\w*(?:DIR|PATH|HOME)\w*\}(?=/)", "."))
# Where images keep Airflow's things, if they say nothing else
HOMES = ("/opt/airflow", "/usr/local/airflow", "/app", "/home/airflow/gcs", "/airflow")
DEFAULT_DAGS = tuple(f"{home}/dags" for home in HOMES)
VERSION = r"(\d+\.\d+)(?:\.\d+)?"
PINS = (
    re.compile(rf"^[^#\n]*?(?<![\w./-])apache-airflow(?:\[[^\]]*\])?\s*(?:==|~=)\s*{VERSION}", re.M),
    re.compile(rf"constraints-{VERSION}/"),
    re.compile(rf"apache/airflow:(?:slim-)?{VERSION}"),
    re.compile(rf"(?:AIRFLOW_VERSION|AIRFLOW_TAG)\s*[=:]\s*[\"']?{VERSION}"),
    re.compile(rf"composer-\d[\w.]*-airflow-{VERSION}"),
)
# What may be much older than what runs
AT_LEAST = re.compile(rf"^\s*[\"']?apache-airflow(?:\[[^\]]*\])?\s*>=\s*{VERSION}", re.M)
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
        self._read: dict[str, str] = {}

    @cached_property
    def files(self) -> list[str]:
        """All files but those of tools, as paths from the root."""
        found = []
        for place, folders, names in os.walk(self.root):
            folders[:] = [name for name in folders if name not in SKIPPED and not name.startswith(".")]
            found += [Path(place, name).relative_to(self.root).as_posix() for name in names]
        return sorted(found)

    def text(self, name: str) -> str:
        if name not in self._read:
            try:
                self._read[name] = (self.root / name).read_text(encoding="utf-8", errors="replace")
            except OSError:
                self._read[name] = ""
        return self._read[name]

    def named(self, pattern: str) -> list[str]:
        """The files with such a name, those nearest to the root first."""
        names = [name for name in self.files if re.search(pattern, name)]
        return sorted(names, key=lambda name: (name.count("/"), name))

    @cached_property
    def requirements(self) -> list[str]:
        named = r"requirements[^/]*\.(txt|in|lock)|requirements/[^/]*\.(txt|in)|constraints[^/]*\.txt"
        return self.named(rf"(^|/)({named}|pyproject\.toml|setup\.(py|cfg))$")

    @cached_property
    def images(self) -> list[str]:
        return self.named(r"(^|/)(Dockerfile[^/]*|[^/]*\.[Dd]ockerfile|[^/]*compose[^/]*\.ya?ml|\.env[^/]*)$")

    def _nearest(self, names: list[str], patterns: Iterable[re.Pattern[str]]) -> list[re.Match[str]]:
        """What the files say that are nearest to the DAG folder: a repository may have images of other programs."""
        folder = PurePosixPath(self.dags_folders[0] if self.dags_folders else "")
        for place in (folder, *folder.parents):
            texts = [self.text(name) for name in names if PurePosixPath(name).is_relative_to(place)]
            if found := [match for pattern in patterns for text in texts for match in pattern.finditer(text)]:
                return found
        return []

    @cached_property
    def airflow_version(self) -> str:
        """The version that most of what installs it names, as 2.10; '' where nothing does."""
        for names, patterns in (
            (self.requirements, PINS), (self.images, (*PINS, ASTRO)), (self.requirements, (AT_LEAST,)),
        ):  # fmt: skip
            if found := self._nearest(names, patterns):
                return Counter(map(_version, found)).most_common(1)[0][0]
        return ""

    @cached_property
    def python(self) -> str:
        found = (self._nearest([*self.images, *self.requirements], (pattern,)) for pattern in PYTHONS)
        return next((matches[0][1] for matches in found if matches), "")

    @cached_property
    def python_files(self) -> list[str]:
        """The files that may have a DAG by their names, and by Airflow's own two words."""
        named = [name for name in self.files if name.endswith(".py") and not NO_DAGS.search(name)]
        return [name for name in named if "airflow" in (text := self.text(name).lower()) and "dag" in text]

    @cached_property
    def dag_files(self) -> list[str]:
        """The files that seem to make a DAG by themselves, not by a function of another module."""
        return [name for name in self.python_files if MAKES_DAG.search(self.text(name))]

    @cached_property
    def placed(self) -> list[tuple[str, str]]:
        """Folders of the repository and where an image has them: by COPY and by mounts of docker compose."""
        found = []
        for name in self.named(r"(^|/)(Dockerfile[^/]*|[^/]*compose[^/]*\.ya?ml)$"):
            here, text = PurePosixPath(name).parent, self.text(name)
            home = next(iter(re.findall(r"AIRFLOW_HOME\s*[=:]\s*[\"']?(/[\w./-]+)", text)), HOMES[0])
            for pattern, instead in (*OF_THE_CHECKOUT, (r"\$\{?(AIRFLOW_HOME|PROJECT_DIR)\}?", home)):
                text = re.sub(pattern, instead, text)
            pairs = re.findall(r"^\s*(?:COPY|ADD)\s+(?:--\S+\s+)*([\w./-]+)\s+([\w./-]+)\s*$", text, re.M)
            pairs += re.findall(r"-\s*[\"']?(\.{1,2}[\w./-]*|[\w-]+/[\w./-]*):(/[\w./-]+)", text)
            for source, target in pairs:
                folder = os.path.normpath((here / source).as_posix().lstrip("/"))
                if not folder.startswith("..") and (self.root / folder).is_dir():
                    target = target if target.startswith("/") else f"{home}/{target}"
                    found.append((folder, os.path.normpath(target)))
        return found

    def in_repository(self, path: str) -> list[str]:
        """The folders of the repository that an image has at this path."""
        path = os.path.normpath(path)
        inside = [(folder, path[len(to) :].strip("/")) for folder, to in self.placed if f"{path}/".startswith(f"{to}/")]
        found = [os.path.normpath(f"{folder}/{rest}") for folder, rest in inside]
        return [folder for folder in dict.fromkeys(found) if (self.root / folder).is_dir()]

    @cached_property
    def settings(self) -> list[str]:
        """The texts that set up Airflow."""
        return [self.text(name) for name in [*self.images, *self.named(r"airflow[^/]*\.cfg$")]]

    @cached_property
    def dags_folders(self) -> list[str]:
        """The folders that Airflow gets; the one with the most DAG files first."""
        stated = [path for text in self.settings for path in _dags_paths(text)]
        found = self._with_dags(folder for path in (*stated, *DEFAULT_DAGS) for folder in self.in_repository(path))
        rest = [name for name in self.dag_files if not any(is_in(name, folder) for folder in found)]
        named = [_by_name(files) for files in (rest, self.python_files)]
        # A folder of that name inside of a package is one of its modules, unless there is no other
        outside = [{one for one in names if not self._in_package(one)} for names in named]
        guesses = (self._with_dags([*found, *names]) for names in (*outside, *named))
        return next(filter(None, guesses), [self._around(rest)] if rest else [])

    def _in_package(self, folder: str) -> bool:
        return (self.root / folder).with_name("__init__.py").exists()

    def _around(self, names: list[str]) -> str:
        """The folder that has all these files: where a DAG folder has no name, it may be the repository itself."""
        if (self.root / ".airflowignore").exists():
            return "."
        return os.path.commonpath([os.path.dirname(name) for name in names]) or "."

    def _with_dags(self, folders: Iterable[str]) -> list[str]:
        """The folders that may have DAG files, without those in others; the fullest first."""
        counts = {folder: sum(is_in(name, folder) for name in self.python_files) for folder in folders}
        kept = [folder for folder in counts if counts[folder]]
        kept = [one for one in kept if not any(is_in(f"{one}/", other) for other in kept if other != one)]
        return sorted(kept, key=lambda folder: (-counts[folder], folder))

    @cached_property
    def sources(self) -> list[str]:
        """The Python files below the DAG folders."""
        return [
            name for name in self.files if name.endswith(".py") and any(is_in(name, one) for one in self.dags_folders)
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
            own = {folder for folder in places if folder in self.dags_folders}
            # Airflow puts no folder of the DAG folder on the path: what needs it fails there, and must here
            places = {one for one in places if not any(is_in(one, folder) for folder in self.dags_folders)}
            if places and not own and not _elsewhere(top, self.root):
                found[min(places, key=lambda folder: (folder.count("/") + (folder != "."), folder))] += number
        beside = [os.path.normpath(f"{one}/../plugins") for one in self.dags_folders]
        found.update(one for one in beside if (self.root / one).is_dir() and not one.startswith(".."))
        stated = [path for text in self.settings for path in _python_paths(text)]
        found.update(folder for path in stated for folder in self.in_repository(path))
        return [folder for folder, _ in found.most_common() if folder not in self.dags_folders]


NO_TESTS = re.compile(r"(^|/)(tests?|e2e)/")


def _dags_paths(text: str) -> Iterator[str]:
    yield from re.findall(r"AIRFLOW__CORE__DAGS_FOLDER\s*[=:]\s*[\"']?(/[\w./-]+)", text)
    yield from re.findall(r"^\s*dags_folder\s*=\s*(/[\w./-]+)", text, re.M)


def _python_paths(text: str) -> Iterator[str]:
    """The folders that images put on Python's path, and that of Airflow's plugins."""
    yield from re.findall(r"AIRFLOW__CORE__PLUGINS_FOLDER\s*[=:]\s*[\"']?(/[\w./-]+)", text)
    yield from re.findall(r"^\s*plugins_folder\s*=\s*(/[\w./-]+)", text, re.M)
    for paths in re.findall(r"\bPYTHONPATH\s*[=: ]\s*[\"']?([^\s\"']+)", text):
        yield from re.findall(r"(?:^|:)(/[\w./-]+)", paths)


def _version(match: re.Match[str]) -> str:
    if match.re is not ASTRO:
        return match[1]
    return f"{match[1]}.{match[2]}" if int(match[1]) == 3 else f"2.{int(match[1]) - ASTRO_FIRST + 2}"


def is_in(name: str, folder: str) -> bool:
    return folder == "." or name.startswith(f"{folder}/")


def _by_name(names: list[str]) -> set[str]:
    """The outermost folders called dags that the files are in."""
    parts = [name.split("/") for name in names]
    return {"/".join(one[: one.index("dags") + 1]) for one in parts if "dags" in one[:-1]}


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
