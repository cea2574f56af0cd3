"""The scenario's world without a cluster: recordings answer (living_cluster.py), a real sshd on loopback serves git.

It shows that the scenario runs from end to end, each command as the pages have it, and nothing of a real cluster.
"""

import sys

from tests.conftest import make_command
from tests.etl_tools.cluster import helm_chart, states
from tests.etl_tools.cluster.cluster import TEMPLATE, Cluster
from tests.etl_tools.cluster.real.world import World

HERE = TEMPLATE / "tests" / "etl_tools" / "cluster"
PROGRAMS = ("airflow", "python", "psql", "pg_dump", "pg_restore", "createdb", "dropdb")
# Steps that need what is not here.
LEFT_OUT = {
    "the ui is brought here": "no port is forwarded, and nothing listens behind it",
    "a push is followed": "no API lists what was pushed (test_follow.py has one)",
}


class DryWorld(World):
    patience, pause = 120, 0.1
    # Neither the chart nor Airflow is here.
    content = "No fault was found; what could not be looked at"

    def __init__(self, folder, server):
        super().__init__(folder, "etl", "CeleryExecutor", "git-sync")
        self.server = server

    def begin(self):
        super().begin()
        self.make_words = make_command()
        self.cluster = Cluster(self.project, self.folder / "cluster", helm_chart.tools() / "helm")
        self.tools = self.script(self.folder / "tools", "living_cluster.py", ("kubectl", "helm"))
        self.script(self.cluster.state / "pod-programs", "pod_programs.py", PROGRAMS)
        self.environment |= self.cluster.environment
        self.environment |= {"FAKE_TOOLS": str(self.folder / "cluster/tools"), "GIT_ALLOW_PROTOCOL": "ssh:file"}
        self.environment |= {"KUBECTL": str(self.tools / "kubectl"), "HELM": str(self.tools / "helm")}
        # As git-sync leaves it.
        (self.folder / "pod/dags/.worktrees/0a1b2c/dags").mkdir(parents=True)
        (self.folder / "pod/dags/repo").symlink_to(".worktrees/0a1b2c")
        pod = {"AIRFLOW_HOME": str(self.folder / "pod"), "DRY_REPOSITORY": str(self.server.repository)}
        self.cluster["pod-environment.json"] = pod
        return self

    @staticmethod
    def script(folder, source, names):
        """Write a program under these names."""
        folder.mkdir(parents=True)
        for name in names:
            (folder / name).write_text(f"#!{sys.executable} -IS\n{(HERE / source).read_text()}")
            (folder / name).chmod(0o755)
        return folder

    def start_git(self):
        self.url = self.server.url

    @property
    def push_url(self):
        # To the folder: the server itself lets deploy keys read, and nobody write.
        return str(self.server.repository)

    def pushes(self):
        return {}

    def register(self, *public_keys):
        self.keys = list(public_keys)
        self.server.register(*public_keys)

    def data(self):
        """No volume is here: that the run is known has to do."""
        return [f"/data/{run['state']}/2018-02-01" for run in self.airflow("dags", "list-runs", "transform")]

    def shows(self, state=None):
        items = states.items("healthy", *([state] if state else []))
        self.cluster["pods-after.json"] = items
        self.cluster["events.json"] = states.events(state) if state else []
