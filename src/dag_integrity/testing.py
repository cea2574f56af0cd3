"""The DAG files as tests of a module of one's own: `from dag_integrity.testing import *` in tests/test_dags.py."""

from __future__ import annotations

import os
from typing import Any

import pytest

from .pytest_plugin import dag_files, fail_with, fail_with_rest

__all__ = ["test_dag", "test_rest"]


def test_dag(dag_integrity_file: str, dag_integrity_report: dict[str, Any]) -> None:
    """Nothing is found in the DAG file."""
    fail_with(dag_integrity_report, dag_integrity_file)


def test_rest(
    dag_integrity_report: dict[str, Any], request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is found in helper modules, .airflowignore and the policy."""
    if os.environ.get("GITHUB_ACTIONS"):
        with capsys.disabled():
            print(
                "", *[line for line in dag_integrity_report["printed"].splitlines() if line.startswith("::")], sep="\n"
            )
    fail_with_rest(dag_integrity_report, dag_files(request.config, os.environ.get("DAG", "")))
