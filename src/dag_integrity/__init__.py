"""Checks that no DAG file can break, slow down or surprise the scheduler; README.md says how to use them.

Here is what a rule of one's own needs: `from dag_integrity import rule, problem`.
"""

from .model import RULES, Finding, PolicyError, Problem, Rule, problem, rule

__all__ = ["RULES", "Finding", "PolicyError", "Problem", "Rule", "problem", "rule"]
