"""What a rule and a finding are. All rules are in `RULES`, by name; a rule is a function under `@rule(...)`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

# What a rule looks at. "engine": no function; the engine itself sees it while a file is imported.
SCOPES = ("dag", "file", "folder", "engine")
# The worst first.
SEVERITIES = ("error", "warning")
# With these a file's DAGs do not exist, or were not looked at: other rules had nothing to see.
UNFINISHED = {"import-error", "time-limit", "process-death", "not-checked"}


F = TypeVar("F", bound=Callable[..., Any])


class PolicyError(Exception):
    """The checks cannot run as they are configured; the message says what to change."""


@dataclass(frozen=True, order=True)
class Finding:
    """One broken rule at one place, in one line.

    `file` is relative to the repository, `line` counts from 1, `wrong` and `write` (what to do instead) are
    sentences, `dag_id` is empty where the finding is about the file as a whole.
    """

    file: str
    line: int
    rule: str
    wrong: str
    write: str
    dag_id: str = ""

    @property
    def severity(self) -> str:
        return RULES[self.rule].severity if self.rule in RULES else "error"

    def __post_init__(self) -> None:
        for name in ("wrong", "write"):
            object.__setattr__(self, name, " ".join(str(getattr(self, name)).split()).rstrip("."))

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.rule}: {self.wrong}. {self.write}."


class Report(NamedTuple):
    """What a run found, sorted; `dags` has a row of plain values for each DAG.

    `known` findings of a baseline are left out; of those in it, `gone` are no longer there.
    """

    findings: list[Finding]
    dags: list[dict[str, Any]]
    files: list[str]
    not_parsed: tuple[str, ...] = ()
    known: int = 0
    gone: tuple[str, ...] = ()


class Problem(NamedTuple):
    """What a rule's function yields: `at` is a line, a task or nothing; `cure` replaces the rule's own."""

    wrong: str
    at: Any = None
    cure: str = ""
    file: str = ""


problem = Problem


class Rule(NamedTuple):
    """`house`: a matter of taste, applied only where pyproject.toml has [tool.dag-integrity].

    `severity`: "error" where a DAG or a run of it fails or does what nobody meant, "warning" for the rest.
    """

    name: str
    scope: str
    meaning: str
    cure: str
    check: Callable[..., Iterable[str | Problem]] | None = None
    house: bool = False
    broken: str = ""
    fixed: str = ""
    severity: str = "error"
    since: str = "2"  # the version of Airflow with which it begins to hold


# What the function of a rule gives
Found = Iterator[str | Problem]
RULES: dict[str, Rule] = {}


def rule(
    name: str,
    scope: str,
    cure: str,
    *,
    house: bool = False,
    broken: str = "",
    fixed: str = "",
    severity: str = "",
    since: str = "2",
) -> Callable[[F], F]:
    """Register the function below as the rule `name`; its docstring says what the rule demands.

    `cure` says what to write instead. `broken` and `fixed` are DAG files as text, which every run tries: the
    rule must speak of the first and not of the second. The built-in rules have their examples in the
    template's tests instead.
    """

    def register(check: F) -> F:
        kind = severity or ("warning" if house else "error")
        engine_rule(name, (check.__doc__ or "").strip(), cure, kind, since, house)
        RULES[name] = RULES[name]._replace(scope=scope, check=check, broken=broken, fixed=fixed)
        return check

    if scope not in SCOPES:
        raise PolicyError(f"Rule {name}: its scope must be one of {', '.join(SCOPES)}, not {scope!r}.")
    return register


def engine_rule(
    name: str, meaning: str, cure: str, severity: str = "error", since: str = "2", house: bool = False
) -> None:
    """Declare a rule that the engine itself applies."""
    if name in RULES:
        raise PolicyError(f"There are two rules {name}: give one of them another name.")
    for what, text in (("meaning", meaning), ("cure", cure)):
        if not text.strip():
            raise PolicyError(f"Rule {name} has no {what}.")
    if severity not in SEVERITIES:
        raise PolicyError(f"Rule {name}: its severity must be one of {', '.join(SEVERITIES)}, not {severity!r}.")
    RULES[name] = Rule(name, "engine", meaning, cure, severity=severity, since=since, house=house)


def finding(name: str, file: str, line: int, wrong: str, write: str = "", dag_id: str = "") -> Finding:
    """A finding of the rule `name`, with the rule's own cure unless `write` is given."""
    return Finding(file, line, name, wrong, write or RULES[name].cure, dag_id)


engine_rule(
    "not-checked", "Every rule looks at every file: what could not be checked is named.",
    "Report it with this line; until then exempt the file from this rule, with a reason",
)  # fmt: skip


def apply(scope: str, subject: Any, policy: Any) -> Iterable[tuple[Rule, Problem]]:
    """What the rules of this scope find in the subject; of a rule that fails, that it does."""
    for one in RULES.values():
        if one.scope == scope and policy.applies(one):
            try:
                found = list(one.check(subject) if one.check else ())
            except Exception as error:
                wrong = f"Rule {one.name} fails on it: {type(error).__name__}: {error}"
                yield RULES["not-checked"], Problem(wrong, 1)
                continue
            yield from ((one, Problem(it) if isinstance(it, str) else it) for it in found)


def some(names: Iterable[Any], limit: int = 4) -> str:
    """The first few of the names, and how many there are beyond them."""
    names = list(names)
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(str(name) for name in names[:limit]) + more
