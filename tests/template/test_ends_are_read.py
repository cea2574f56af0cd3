"""Every program that is run has its end read: one that fails, and whose output is taken all the same, lies."""

import ast

import pytest

from tests.conftest import TEMPLATE

# What runs a program and returns how it ended; `git` and `run` where they are those of the modules below.
OURS = {"etl_tools.programs": {"run"}, "etl_tools.secrets.git_server": {"git", "ask_server"}}
RUN = {"subprocess.run", "subprocess.Popen", "subprocess.call", "os.system", "os.popen", "programs.run"}
# File and function → why the end of what runs there says nothing.
EXCEPTIONS = {
    "hooks/pre_gen_project.py: command_of": "a process that has gone has no words",
    "src/etl_tools/local/data_diff/__init__.py: start": "result() goes by what the process writes last",
    "src/etl_tools/secrets/git_server.py: ask_server": "a git that fails here fails right after, and says why",
}


def trees(project):
    for root, folder in ((TEMPLATE, "src"), (TEMPLATE, "hooks"), (TEMPLATE, "scripts"), (project, "dags")):
        for path in sorted((root / folder).rglob("*.py")):
            yield path.relative_to(root).as_posix(), ast.parse(path.read_bytes())


def unread(tree, module=""):
    """The functions that take what a program printed, or nothing, and do not look how it ended."""
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    ours = RUN | OURS.get(module, set())
    ours |= {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name in OURS.get(node.module, ())
    }
    for call in [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) in ours]:
        function = call
        while not isinstance(function, (ast.FunctionDef, ast.Module)):
            function = parents[function]
        if not is_read(call, parents, function):
            yield getattr(function, "name", "")


def module_of(name):
    return name.removeprefix("src/").removesuffix(".py").replace("/", ".")


def is_read(call, parents, function):
    parent = parents[call]
    while isinstance(parent, (ast.IfExp, ast.BoolOp)):
        parent = parents[parent]
    if any(word.arg == "check" and ast.unparse(word.value) == "True" for word in call.keywords):
        return True
    if isinstance(parent, ast.Attribute):
        return parent.attr == "returncode"
    if isinstance(parent, ast.withitem):
        parent = ast.Assign([parent.optional_vars])
    # Whoever calls the function reads it.
    if isinstance(parent, ast.Return):
        return True
    names = {ast.unparse(name) for name in getattr(parent, "targets", [getattr(parent, "target", parent)])}
    read = {f"{name}.{word}" for name in names for word in ("returncode", "wait", "poll")}
    return any(ast.unparse(node) in read for node in ast.walk(function) if isinstance(node, ast.Attribute))


def test_every_end_is_read(bake):
    found = {f"{name}: {function}" for name, tree in trees(bake()) for function in unread(tree, module_of(name))}
    assert found == EXCEPTIONS.keys()


@pytest.mark.parametrize(
    ("line", "lies"),
    [
        ("done = subprocess.run(x); return done.stdout", True),
        ("subprocess.run(x)", True),
        ("return subprocess.run(x).stdout", True),
        ("done = subprocess.run(x, check=False); return done.stdout if not done.returncode else ''", False),
        ("subprocess.run(x, check=True)", False),
        ("return subprocess.run(x)", False),
        ("return not subprocess.run(x).returncode", False),
    ],
)
def test_one_that_is_not_read_is_found(line, lies):
    assert bool(list(unread(ast.parse(f"def f():\n    {line}")))) == lies
