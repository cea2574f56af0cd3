"""Which decisions about a cluster's state are taken, and which way: run as a program, in a folder of a project.

Imports what speaks of pods, deployments, jobs and events with each condition in it wrapped (`if`, `… if … else …`, the
parts of `and` and `or`, the `if` of a comprehension), lets it look at every state of states.py and prints, as JSON:
condition → which ways it went, and by which states.
"""

import ast
import importlib.machinery
import json
import sys
from contextlib import redirect_stdout
from types import SimpleNamespace

from tests.etl_tools.cluster import states

# Module → functions in it that speak of no state, each with what it speaks of.
LOOKED_AT = {
    "etl_tools.cluster.pods": {
        "pod_dags": "what a script in the pod prints",
        "logs_sync": "which container kubectl is to read",
    },
    "etl_tools.cluster.doctor.cluster": {
        "cluster_state": "the order of the checks",
        "cluster_secrets": "content of Secrets",
        "is_true": "Airflow's tables",
        "airflow_table": "Airflow's tables",
        "import_errors": "Airflow's tables",
        "dags_in_airflow": "Airflow's tables",
        "stored_connections": "Airflow's tables",
    },
    "etl_tools.cluster.deploy": dict.fromkeys(
        ("minutes", "check", "is_locked", "pending", "deploy", "roll_out", "rollback", "before", "undeploy"),
        "Helm's history, the keys, the keyboard",
    ),
}
seen: dict[str, dict[bool, list[str]]] = {}
now = {"state": ""}


def note(condition, value):
    states_that_did = seen[condition].setdefault(bool(value), [])
    if now["state"] not in states_that_did:
        states_that_did.append(now["state"])
    return value


class Wrapped(ast.NodeTransformer):
    """Hands each condition of the functions that speak of states to `note`."""

    def __init__(self, module):
        self.module, self.function = module, ""

    def visit_FunctionDef(self, node):
        if node.name in LOOKED_AT[self.module]:
            return node
        outer, self.function = self.function, self.function or node.name
        self.generic_visit(node)
        self.function = outer
        return node

    def condition(self, node):
        if not self.function or isinstance(node, ast.Constant):
            return node
        text = f"{self.module.removeprefix('etl_tools.cluster.')}.{self.function}: {ast.unparse(node)}"
        seen.setdefault(text, {})
        wrapped = self.generic_visit(node) if isinstance(node, ast.BoolOp) else self.visit(node)
        return ast.Call(ast.Name("__note__", ast.Load()), [ast.Constant(text), wrapped], [])

    def visit_If(self, node):
        node.test = self.condition(node.test)
        node.body = [self.visit(each) for each in node.body]
        node.orelse = [self.visit(each) for each in node.orelse]
        return node

    def visit_IfExp(self, node):
        return ast.IfExp(self.condition(node.test), self.visit(node.body), self.visit(node.orelse))

    def visit_BoolOp(self, node):
        # What stands last is a value, more often than a condition.
        *first, last = node.values
        is_condition = isinstance(last, ast.Compare | ast.UnaryOp)
        last = self.condition(last) if is_condition else self.visit(last)
        return ast.BoolOp(node.op, [*map(self.condition, first), last])

    def visit_comprehension(self, node):
        node.iter, node.ifs = self.visit(node.iter), [self.condition(each) for each in node.ifs]
        return node


class Loader(importlib.machinery.SourceFileLoader):
    def get_code(self, name):
        tree = Wrapped(name).visit(ast.parse(self.get_data(self.path)))
        return compile(ast.fix_missing_locations(tree), self.path, "exec")

    def exec_module(self, module):
        module.__note__ = note
        super().exec_module(module)


class Finder:
    @staticmethod
    def find_spec(name, path, target=None):
        if name not in LOOKED_AT:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        spec.loader = Loader(name, spec.origin)
        return spec


def kubectl_of(state):
    """Return what stands for kubectl, in this state."""
    from etl_tools.cluster.kubectl import ClusterError

    def kubectl(*words, **_):
        if state.get("refuses") and words[0] == "get" and words[1] in state["refuses"]:
            raise ClusterError("you may not do that")
        if words[:2] == ("get", "events"):
            return json.dumps({"items": states.selected(state["events"], words[2].partition("=")[2])})
        if words[:2] == ("get", "secrets"):
            return "secret/there\n"
        if words[:2] == ("get", "deployments,statefulsets"):
            kinds = ("Deployment", "StatefulSet")
            named = [item for item in state["items"] if item["kind"] in kinds]
            return "".join(f"{item['kind'].lower()}.apps/{item['metadata']['name']}\n" for item in named)
        if words[0] == "logs":
            container = words[words.index("-c") + 1]
            if container in state.get("logs", {}):
                return state["logs"][container]
            raise ClusterError('container "x" in pod "x" is waiting to start: PodInitializing')
        if words[0] == "delete":
            return ""
        assert words[0] == "get", words
        return json.dumps({"items": state["items"]})

    return kubectl


def look(name, state):
    """Let doctor and the wait of a deploy look at one state; return what they say."""
    from etl_tools.cluster import deploy, pods
    from etl_tools.cluster.doctor import cluster

    now["state"] = name
    kubectl = kubectl_of(state)
    pods.kubectl = cluster.kubectl = deploy.kubectl = kubectl
    there = "\n---\n".join(json.dumps(item) for item in [*state["items"], *state.get("deleted", [])])
    cluster.helm = lambda *_, **__: there
    said = [[one.ok, one.what, one.fix] for one in cluster.pod_problems(pods.pods())]
    said += [[one.ok, one.what, one.fix] for one in cluster.deleted()]
    # Helm is asked twice whether it has ended.
    turns = iter((False, False, True))
    deploy.wait = lambda *_: SimpleNamespace(done=next(turns))
    deploy.run = lambda *_, **__: SimpleNamespace(returncode=state.get("helm", 1), stderr="Error: x")
    try:
        deploy.follow("helm", "upgrade", seen={})
    except deploy.ClusterError as problem:
        said.append([False, str(problem), ""])
    return said


def main():
    sys.meta_path.insert(0, Finder)
    with redirect_stdout(sys.stderr):
        said = {name: look(name, state) for name, state in states.ALL.items()}
    print(json.dumps({"seen": seen, "said": said}))


if __name__ == "__main__":
    main()
