"""The DAG folder: which files Airflow parses, which it skips, and what is known of all of them together."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from .model import PolicyError

READ = (".py", ".zip", ".airflowignore")
NO_AIRFLOW = "install Apache Airflow in this environment, or use --static"
SYNTAX = "AIRFLOW__CORE__DAG_IGNORE_FILE_SYNTAX"
# A name of an asset or a DAG that is no text: Asset(f"raw_{shop}"), dag_id=name
COMPUTED = re.compile(r"""(\b(Asset|Dataset|DAG)\(|\b(dag_id|uri)=)\s*(f["']|[a-z_][\w.]*\s*[,)])""")


@dataclass
class Folder:
    """A DAG folder: files that Airflow parses, other Python files (skipped, ignored), archives, bad links."""

    dags: Path
    dag_files: list[Path] = field(default_factory=list)
    skipped: list[Path] = field(default_factory=list)
    ignored: list[Path] = field(default_factory=list)
    archives: list[Path] = field(default_factory=list)
    links: dict[Path, str] = field(default_factory=dict)

    @property
    def others(self) -> list[Path]:
        return [*self.skipped, *self.ignored]

    def complete(
        self, root: Path, policy: Any, facts: list[dict[str, Any]], reads: dict[Path, Any], unfinished: set[str]
    ) -> None:
        """Add what is known when all files are read and parsed: the facts of each DAG with its `file`.

        `unfinished` are the files that could not be parsed; what others name may be in them.
        """
        self.root, self.policy, self.facts, self.reads = root, policy, facts, reads
        self.unread = [(root / file).read_text(encoding="utf-8", errors="replace") for file in unfinished]

    @cached_property
    def consumed(self) -> list[tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]]:
        """Each asset that a DAG waits for: the DAG's facts, the asset, the facts of the DAGs that make it."""
        makers: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
        for dag in self.facts:
            for key in dict.fromkeys(key for asset in dag["produces"] for key in _keys(asset)):
                makers.setdefault(key, []).append(dag)
        return [
            (dag, asset, list({id(o): o for key in _keys(asset) for o in makers.get(key, ())}.values()))
            for dag in self.facts
            for asset in dag["consumes"]
        ]

    def may_have(self, name: str) -> bool:
        """Whether a file that could not be parsed has this name in it, or computes such names."""
        texts = (f'"{name}"', f"'{name}'")
        return any(COMPUTED.search(one) or any(text in one for text in texts) for one in self.unread)

    def name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()


def list_folder(dags: Path, environment: dict[str, str] | None = None) -> Folder:
    """The files of the folder as Airflow sees them: .airflowignore, then its search for two words."""
    folder = Folder(dags)
    everything: set[Path] = set()
    for place, folders, names in os.walk(dags, followlinks=True):
        # Where the repository itself is the DAG folder, there is more in it here than where it is deployed
        folders[:] = [name for name in folders if name != ".git" and not Path(place, name, "pyvenv.cfg").exists()]
        for name in [*folders, *names]:
            path = Path(place, name)
            if path.is_symlink() and not path.exists():
                folder.links[path] = "The link points to nothing"
            elif path.is_symlink() and path.is_dir() and Path(place).resolve().is_relative_to(path.resolve()):
                why = "The link leads back to its own folder: Airflow refuses the whole DAG folder"
                folder.links[path] = why
                folders.remove(name)
            elif name in names and name.endswith(READ) and not _is_readable(path):
                folder.links[path] = "This is no file that can be read: whoever tries may wait without end"
            elif name in names and name.endswith(".py") and "__pycache__" not in place:
                everything.add(path)
    try:
        unreadable = any(path.name == ".airflowignore" for path in folder.links)
        found = sorted(everything if unreadable else map(Path, _find_paths(dags, environment or {})))
    except RuntimeError:  # such a link
        found = sorted(everything)
    visible = [path for path in found if path.suffix == ".py" and path in everything]
    folder.dag_files = [path for path in visible if _might_contain_dag(path)]
    folder.skipped = sorted(set(visible) - set(folder.dag_files))
    folder.ignored = sorted(everything - set(visible))
    folder.archives = [path for path in found if path.suffix == ".zip" and path not in folder.links]
    return folder


def _is_readable(path: Path) -> bool:
    return path.is_file() and os.access(path, os.R_OK)


def _find_paths(dags: Path, environment: dict[str, str]) -> Iterable[str]:
    """Airflow's own lister, loaded by itself where that is possible: all of Airflow takes seconds."""
    spec = importlib.util.find_spec("airflow")
    path = Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else Path()
    path = path / "_shared" / "module_loading" / "file_discovery.py"
    if not path.is_file():
        return _asked_of_airflow(dags, environment)
    by_itself: Any = importlib.util.spec_from_file_location("_dag_file_discovery", path)
    module: Any = importlib.util.module_from_spec(by_itself)
    by_itself.loader.exec_module(module)
    found: Iterable[str] = module.find_path_from_directory(dags, ".airflowignore", environment.get(SYNTAX, "glob"))
    return found


ASK = """
import sys
from airflow.configuration import conf
from airflow.utils.file import find_path_from_directory
syntax = conf.get("core", "dag_ignore_file_syntax", fallback="regexp")
print("\\1" + "\\0".join(find_path_from_directory(sys.argv[1], ".airflowignore", syntax)))
"""


def _asked_of_airflow(dags: Path, environment: dict[str, str]) -> list[str]:
    """The same of an older Airflow: in a process of its own, for it imports all of Airflow."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    kept |= {name: value for name, value in environment.items() if name == SYNTAX}
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "-P", "-c", ASK, str(dags)]
        kept |= {"AIRFLOW_HOME": home, "HOME": home, "AIRFLOW__LOGGING__LOGGING_LEVEL": "CRITICAL"}
        done = subprocess.run(command, env=kept, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip() or "airflow").splitlines()[-1]
        raise PolicyError(f"{last}: {NO_AIRFLOW}.")
    return [path for path in done.stdout.rpartition("\1")[2].strip("\n").split("\0") if path]


def _might_contain_dag(path: Path) -> bool:
    """Airflow's heuristic with `[core] dag_discovery_safe_mode` on, its default."""
    text = path.read_bytes().lower()
    return b"airflow" in text and (b"dag" in text or b"asset" in text)


def _keys(asset: dict[str, Any]) -> list[tuple[Any, ...]]:
    """What an asset is known by; two are the same that share one of these."""
    return [(asset["alias"], key, asset[key]) for key in ("name", "uri") if asset[key]]
