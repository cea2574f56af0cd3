"""Proves in every run that the double parse and the guard still bite."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path

from ..config import Policy
from ..facts import Facts
from ..model import PolicyError, some
from ..pool import Pool
from .parse import Parser, difference
from .perturb import CANARIES, CANARY
from .versions import in_words_of_2


def try_canary(policy: Policy) -> None:
    """What differs must be seen to differ, and what is refused be refused; or no finding means nothing."""
    usual = Policy(time_limit=max(policy.time_limit, Policy.time_limit))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder).resolve() / "canary.py"
        path.write_text(in_words_of_2(CANARY), encoding="utf-8")
        path.with_name("a_second_file").touch()
        usual = dataclasses.replace(usual, dags_folder=".")

        def parse(perturbed: bool) -> Facts | str:
            make = lambda: Parser(path.parent, usual, perturbed, True).parse  # noqa: E731
            answer: Facts | str = next(Pool(make, 1, usual.time_limit, fresh=True).run([path]))[1]
            return answer

        first, second = parse(perturbed=False), parse(perturbed=True)
    if isinstance(first, str) or isinstance(second, str):
        ended = next(filter(None, (first, second, "too slow")))
        raise PolicyError(f"The checks cannot parse a DAG with this Airflow: {ended}.")
    pairs = {what: (first.serialized.get(what), second.serialized.get(what)) for what in CANARIES}
    blind = [what for what, pair in pairs.items() if not (all(pair) and difference(what, *pair))]
    if "forbidden-at-import" not in {one.rule for one in first.findings}:
        blind.append("Variables")
    if blind:
        cure = "take checks that are made for this version of Airflow"
        raise PolicyError(f"The checks see nothing of {some(blind, 9)} in a DAG file that has them: {cure}.")
