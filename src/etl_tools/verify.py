"""Compare the installed packages with a source tree or archive of the template: is this what that source makes?

    airflow-etl verify PATH        a checkout of airflow-etl-template, or its .tar.gz, .tgz or .zip

Exit code 0: file by file the same. 1: they differ, a line for each file. 2: there is nothing to compare with.
"""

import sys
import tarfile
import tempfile
import zipfile
from importlib import resources
from pathlib import Path

PACKAGES = ("dag_integrity", "etl_tools")


def files_of(folder: Path) -> dict[str, bytes]:
    """Return path → content of every file below a folder, without compiled bytecode."""
    paths = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def installed() -> dict[str, bytes]:
    """Return path → content of what is installed here, each path with its package in front."""
    found: dict[str, bytes] = {}
    for package in PACKAGES:
        with resources.as_file(resources.files(package)) as folder:
            found |= {f"{package}/{name}": content for name, content in files_of(folder).items()}
    return found


def source(place: Path, scratch: Path) -> dict[str, bytes]:
    """Return the same of a source tree or archive. ValueError where it has none of the packages."""
    if place.is_file() and tarfile.is_tarfile(place):
        with tarfile.open(place) as archive:
            archive.extractall(scratch, filter="data")
        place = scratch
    elif place.is_file() and zipfile.is_zipfile(place):
        with zipfile.ZipFile(place) as archive:
            archive.extractall(scratch)
        place = scratch
    found: dict[str, bytes] = {}
    for package in PACKAGES:
        folders = [folder for folder in (place / "src", *place.glob("*/src")) if (folder / package).is_dir()]
        if not folders:
            raise ValueError(f"{place} has no src/{package}: name a checkout or archive of airflow-etl-template")
        found |= {f"{package}/{name}": content for name, content in files_of(folders[0] / package).items()}
    return found


def main(place: str) -> int:
    """Print the files that differ, or that none does; return the exit code."""
    with tempfile.TemporaryDirectory() as scratch:
        try:
            theirs = source(Path(place), Path(scratch))
        except (OSError, ValueError, tarfile.TarError) as problem:
            print(problem, file=sys.stderr)
            return 2
    ours = installed()
    different = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
    for name in different:
        how = "is installed, and not in the source" if name not in theirs else "differs"
        print(f"{name}: {how if name in ours else 'is in the source, and not installed'}")
    if different:
        return 1
    print(f"{len(ours)} installed files are those of {place}.")
    return 0
