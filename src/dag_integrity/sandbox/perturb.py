"""Perturbs the second of the two parses: all that may differ between two parses differs there.

Two parses a second apart on one machine agree on much by luck: the date, the order in which a directory is
listed, a set's order. So the second process gets the opposite: sets made in the DAG folder iterate the other
way round, directories are listed the other way round, the clock is another day's, random numbers start
elsewhere, and hash() of a text is another.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import datetime
import importlib.machinery
import os
import random
import secrets
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..syntax import compact

LATER = datetime.timedelta(days=400, hours=7, minutes=11, seconds=13)
CLOCKS = {"now", "today", "utcnow", "tomorrow", "yesterday"}
SWITCH = "__perturbed__"
SEED = "of every parse"
DEEP = 30_000
# What must be found in every run: or the checks would call everything stable and say so.
CANARIES = {
    "sets": '" ".join({"north", "south"})',
    "listings": '" ".join(os.listdir(os.path.dirname(__file__)))',
    "hashes": 'str(hash("north"))',
    "clock": "str(datetime.datetime.now())",
    "random": "str(random.random())",
}
CANARY = """
import datetime, os, random
from airflow.sdk import DAG, Variable
from airflow.providers.standard.operators.bash import BashOperator
try:
    Variable.get("canary", default="")
except Exception:
    pass
""" + "".join(
    f"with DAG({name!r}, schedule=None):\n    BashOperator(task_id='a', bash_command={text})\n"
    for name, text in CANARIES.items()
)


class Backward:
    """Iterates the other way round than the set that it is made from, which a copy may do as well."""

    order: list[Any] | None = None

    def __iter__(self) -> Iterator[Any]:
        own: Any = super()
        now = list(own.__iter__())
        unchanged = self.order and len(now) == len(self.order) and all(one in self for one in self.order)
        backward: Iterator[Any] = reversed(self.order if unchanged and self.order else now)
        return backward


class BackwardSet(Backward, set[Any]):
    pass


class BackwardFrozenSet(Backward, frozenset[Any]):
    pass


class Numbers(random.Random):
    """The same in each run of the checks; others in the second process, but with a seed of the file's own."""

    perturbed = False

    def seed(self, a: Any = None, version: int = 2) -> None:
        super().seed(SEED if a is None else a, version)
        self.shift = self.perturbed and a in (None, SEED)

    def random(self) -> float:
        return (super().random() + self.shift / 2) % 1

    def getrandbits(self, k: int) -> int:
        return super().getrandbits(k) ^ (self.shift and k > 0)

    def _randbelow(self, n: int) -> int:
        shift, self.shift = self.shift, False  # once, not for each of its bits, too
        own: Any = super()
        number: int = own._randbelow(n)
        self.shift = shift
        return (number + shift) % (n or 1)


def set_numbers() -> None:
    """Make what is random the first of the Numbers; for good, so do it in a worker."""
    numbers = Numbers()
    for name in set(random.__all__) & set(dir(numbers)):
        setattr(random, name, getattr(numbers, name))
    modules: list[Any] = [random, secrets]
    modules[0].Random = modules[0].SystemRandom = Numbers
    modules[1].choice, modules[1].randbelow = numbers.choice, numbers._randbelow


def perturbed(value: Any, name: str = "") -> Any:
    """The value that an expression of the DAG folder's code has in the second process."""
    if type(value) in (set, frozenset):
        backward = BackwardSet(value) if type(value) is set else BackwardFrozenSet(value)
        backward.order = list(value)
        return backward
    if name in CLOCKS and isinstance(value, datetime.date):
        return value + LATER
    return ~value if name == "hash" and type(value) is int else value


@contextlib.contextmanager
def deep_recursion() -> Iterator[None]:
    """An expression of some thousand terms is legal, and its tree as deep."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, DEEP))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


class Switch(ast.NodeTransformer):
    """Wraps the expressions that may yield a set or the time."""

    def _wrap(self, node: ast.expr) -> ast.expr:
        self.generic_visit(node)
        called = getattr(node, "func", None)
        name = ast.Constant(getattr(called, "attr", getattr(called, "id", "")))
        call = ast.Call(ast.Name(SWITCH, ast.Load()), [node, name], [])
        for made in (call, call.func, name):
            ast.copy_location(made, node)
        return call

    def visit_MatchValue(self, node: ast.AST) -> ast.AST:
        return node

    visit_Set = visit_SetComp = visit_BinOp = visit_Call = _wrap


def perturb(dags: Path) -> None:
    """Perturb this process; for good, so do it in a worker."""
    setattr(builtins, SWITCH, perturbed)
    # Where Python compiles: Airflow 3.4 loads DAG files by a loader of its own, which comes by here, too.
    places: Any = importlib
    base, loader = places._bootstrap_external.SourceLoader, places.machinery.SourceFileLoader
    to_code, path_stats = base.source_to_code, loader.path_stats

    def source_to_code(self: Any, data: bytes, path: Any, **options: Any) -> Any:
        if not os.fsdecode(path).startswith(f"{dags}{os.sep}"):
            return to_code(self, data, path, **options)
        with deep_recursion():
            tree = Switch().visit(compact(ast.parse(data, path), len(data)))
            return compile(tree, path, "exec", dont_inherit=True)

    def without_bytecode(self: Any, path: str) -> Any:
        if path.startswith(f"{dags}{os.sep}"):
            raise OSError
        return path_stats(self, path)

    base.source_to_code, loader.path_stats = source_to_code, without_bytecode
    _reverse_listings()
    clock, clock_ns = time.time, time.time_ns
    time.time = lambda: clock() + LATER.total_seconds()
    time.time_ns = lambda: clock_ns() + int(LATER.total_seconds()) * 10**9
    Numbers.perturbed = True


def _reverse_listings() -> None:
    system: Any = os
    listdir, scandir = os.listdir, os.scandir

    class Entries(Iterator[Any], contextlib.AbstractContextManager[Any]):
        def __init__(self, *args: Any) -> None:
            with scandir(*args) as entries:
                self.entries = list(entries)

        def __next__(self) -> Any:
            if not self.entries:
                raise StopIteration
            return self.entries.pop()

        def __exit__(self, *_: Any) -> None:
            self.entries = []

        close = __exit__

    system.listdir = lambda *args: listdir(*args)[::-1]
    system.scandir = Entries
    # pathlib and glob keep the function under names of their own, which differ from Python to Python.
    modules = [module for name, module in sys.modules.items() if name.split(".")[0] in ("glob", "pathlib")]
    classes = [value for module in modules for value in vars(module).values() if isinstance(value, type)]
    for owner in [*modules, *classes]:
        for name, value in list(vars(owner).items()):
            if getattr(value, "__func__", value) is scandir:
                setattr(owner, name, Entries)
            elif getattr(value, "__func__", value) is listdir:
                setattr(owner, name, staticmethod(os.listdir))
