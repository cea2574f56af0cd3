"""States that doctor and the wait of a deploy know, and that no recording has yet: each with why, made of recordings.

tests/etl_tools/cluster/test_states.py fails for one that a recording could take the place of. Words of logs are those
that the programs print.
"""

import copy

MADE_UP = {}
SAYS_NO_BRANCH = (
    '{"level":0,"msg":"starting up"}\n'
    '{"level":0,"msg":"error syncing repo, will retry","error":"Run(git fetch): { stderr: '
    "fatal: couldn't find remote ref release\\nfatal: the remote end hung up unexpectedly\\n\"}\n"
    '{"level":0,"msg":"too many failures, aborting","error":"Run(git fetch): exit status 128","failCount":4}\n'
)


def made_up(why):
    """Note a function that makes a state out of the recorded ones."""

    def note(make):
        MADE_UP[make.__name__.replace("_", "-")] = (why, make)
        return make

    return note


def fill(recorded):
    """Return name → state of all that are made up."""
    return {name: {"events": []} | make(copy.deepcopy(recorded)) for name, (_, make) in MADE_UP.items()}


def kind(state, wanted):
    return next(item for item in state["items"] if item["kind"] == wanted)


def of(state, *names):
    """The objects of a state whose names begin like this."""
    return [item for item in state["items"] if item["metadata"]["name"].startswith(names)]


def starts(recorded, reason=None):
    """The scheduler of the whole release, back at its first container."""
    chosen = of(recorded["healthy"], "airflow-scheduler")
    pod = kind({"items": chosen}, "Pod")
    lost = {"type": "Ready", "status": "False", "reason": "ContainersNotReady"}
    pod["status"] = pod["status"] | {"phase": "Pending", "conditions": [lost]}
    for container in pod["status"]["containerStatuses"]:
        container |= {"ready": False, "started": False, "state": {"waiting": {"reason": reason or "PodInitializing"}}}
    return chosen, pod


@made_up("the node ran the recorder, too: without it nothing would have been written down")
def node_lost(recorded):
    for item in recorded["healthy"]["items"]:
        if item["kind"] == "Pod":
            item["spec"]["nodeName"] = "node1"
            item["status"]["conditions"] = [{"type": "Ready", "status": "False"}]
    return {"items": recorded["healthy"]["items"]}


@made_up("lasts for a second: the kubelet has said that the pod is not ready, and not yet which container")
def kubelet_about_to_say(recorded):
    chosen = of(recorded["healthy"], "airflow-scheduler")
    lost = {"type": "Ready", "status": "False", "reason": "ContainersNotReady"}
    kind({"items": chosen}, "Pod")["status"]["conditions"] = [lost]
    return {"items": chosen}


@made_up("nobody paused a rollout while the recorder ran")
def rollout_paused(recorded):
    chosen = of(recorded["healthy"], "airflow-scheduler")
    chosen[0]["spec"]["paused"] = True
    chosen[0]["status"]["updatedReplicas"] = 0
    return {"items": chosen}


@made_up("lasts for seconds: a StatefulSet has a new revision, and has not taken down the old pod yet")
def older_revision_ready(recorded):
    chosen = of(recorded["healthy"], "airflow-worker")
    chosen[0]["status"]["updateRevision"] = "airflow-worker-newer"
    return {"items": chosen}


@made_up("the pods of a failed Job were still there")
def job_failed_and_its_pods_gone(recorded):
    return {"items": [kind(recorded["job-failed"], "Job")]}


@made_up("lasts for a moment: the container has ended, the pod's phase and the Job do not say so yet")
def job_ends(recorded):
    job, pod = recorded["job-done"]["items"]
    job["status"] = {"active": 1}
    pod["status"]["phase"] = "Running"
    return {"items": [job, pod]}


@made_up("lasts for a moment: the Job says that it is done, its pod does not yet")
def job_done_and_its_pod_not(recorded):
    job, pod = recorded["job-done"]["items"]
    pod["status"] |= {"phase": "Running", "containerStatuses": []}
    return {"items": [job, pod]}


@made_up("lasts for a moment: a Job's pod has no container yet")
def job_begins(recorded):
    job, pod = recorded["job-running"]["items"]
    pod["status"] = {"phase": "Pending"}
    return {"items": [job, pod]}


@made_up(
    "seen by hand in a rollout, not written down: the pod of the ReplicaSet before goes, and is not ready any more"
)
def replaced(recorded):
    new = copy.deepcopy(of(recorded["healthy"], "airflow-scheduler"))
    old, _ = starts(recorded)
    for revision, items in (("1", old), ("2", new)):
        replica_set, pod = kind({"items": items}, "ReplicaSet"), kind({"items": items}, "Pod")
        name = replica_set["metadata"]["name"] = f"airflow-scheduler-{revision}"
        replica_set["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = revision
        pod["metadata"] |= {"name": f"{name}-x", "ownerReferences": [{"kind": "ReplicaSet", "name": name}]}
    return {"items": [*new, *(item for item in old if item["kind"] != "Deployment")]}


@made_up("seen by hand in a rollout, not written down: the pod of the ReplicaSet before works until the new one does")
def replaced_and_at_work(recorded):
    state = replaced(copy.deepcopy(recorded))
    old, new = of(state, "airflow-scheduler-1-x", "airflow-scheduler-2-x")
    old["status"], new["status"] = new["status"], old["status"]
    return state


@made_up("seen by hand after a rotation, not written down: a pod that is asked to go stays ready for a while")
def terminating(recorded):
    chosen = copy.deepcopy(of(recorded["healthy"], "airflow-api-server"))
    goes = copy.deepcopy(kind({"items": chosen}, "Pod"))
    goes["metadata"] |= {"name": "airflow-api-server-goes", "deletionTimestamp": "2026-11-29T02:41:18Z"}
    return {"items": [*chosen, goes]}


@made_up("nothing else ran in the namespace of the recorder")
def of_somebody_else(recorded):
    pod = kind({"items": of(recorded["healthy"], "airflow-statsd")}, "Pod")
    pod["metadata"] |= {"labels": {"app": "shop"}}
    del pod["metadata"]["ownerReferences"]
    return {"items": [pod, *of(recorded["healthy"], "airflow-scheduler")]}


@made_up("the recorded pods of tasks had ended")
def a_task_pod(recorded):
    pod = kind({"items": of(recorded["healthy"], "airflow-statsd")}, "Pod")
    pod["metadata"] |= {"labels": {"release": "airflow", "dag_id": "extract"}}
    del pod["metadata"]["ownerReferences"]
    return {"items": [pod, *of(recorded["healthy"], "airflow-scheduler")]}


@made_up("between two restarts; the recorded one was caught while it had just ended")
def crash_loop(recorded):
    state = recorded["crash"]
    words = "back-off 20s restarting failed container=git-sync-init"
    waits = {"reason": "CrashLoopBackOff", "message": words}
    for container in kind(state, "Pod")["status"]["initContainerStatuses"]:
        container |= {"state": {"waiting": waits}}
    return {"items": state["items"], "logs": {"git-sync-init": SAYS_NO_BRANCH}}


@made_up("the log was not written down")
def crash_that_says_why(recorded):
    return recorded["crash"] | {"logs": {"git-sync-init": "fatal: not a git repository\n"}}


@made_up("the log was not written down")
def only_gave_up(recorded):
    return recorded["crash"] | {"logs": {"git-sync-init": SAYS_NO_BRANCH.splitlines()[-1]}}


@made_up("the recorded one has no container that waits for the migration")
def no_memory_to_wait_for_the_migration(recorded):
    chosen, pod = starts(recorded)
    (waits,) = pod["status"]["initContainerStatuses"]
    waits |= {"ready": False, "state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}
    return {"items": chosen}


@made_up("the recorded crash is git-sync's")
def scheduler_crashes(recorded):
    chosen, pod = starts(recorded, "CrashLoopBackOff")
    return {"items": chosen, "logs": {pod["status"]["containerStatuses"][0]["name"]: "OperationalError: no database\n"}}


@made_up("the recorded crash is git-sync's, and had a log")
def crash_without_a_word(recorded):
    chosen, pod = starts(recorded, "CrashLoopBackOff")
    return {"items": chosen, "logs": {pod["status"]["containerStatuses"][0]["name"]: ""}}


@made_up("no container of the release ends by itself; one that did would be started again")
def ended_without_an_error(recorded):
    chosen, pod = starts(recorded)
    pod["status"]["containerStatuses"][0]["state"] = {"terminated": {"exitCode": 0, "reason": "Completed"}}
    return {"items": chosen}


@made_up("seen by hand, and written down of another pod than the DAG processor's")
def processor_waits_for_a_secret(recorded):
    kind(recorded["secret-missing"], "Pod")["metadata"]["name"] = "airflow-dag-processor-x"
    return recorded["secret-missing"]


@made_up("every Secret and ConfigMap that the recorded pods name was there or was a Secret that is missing")
def config_map_missing(recorded):
    chosen, pod = starts(recorded)
    waits = {"reason": "CreateContainerConfigError", "message": 'configmap "airflow-config" not found'}
    pod["status"]["containerStatuses"][0]["state"] = {"waiting": waits}
    pod["status"]["initContainerStatuses"] = []
    return {"items": chosen}


@made_up("no git-sync was caught while it fetched for the first time")
def fetches_for_the_first_time(recorded):
    chosen, pod = starts(recorded)
    pod["status"]["initContainerStatuses"] += [{"name": "git-sync-init", "ready": False, "state": {"running": {}}}]
    return {"items": chosen, "logs": {"git-sync-init": '{"level":0,"msg":"starting up"}\n'}}


@made_up("seen by hand, its log not written down")
def database_unreachable(recorded):
    chosen, pod = starts(recorded)
    pod["status"]["initContainerStatuses"] = [
        {"name": "wait-for-airflow-migrations", "ready": False, "state": {"running": {}}}
    ]
    error = 'psycopg2.OperationalError: could not translate host name "nowhere" to address\n'
    return {"items": chosen, "logs": {"wait-for-airflow-migrations": f"INFO - Waiting\n{error}"}}


@made_up("lasts for seconds: the migration has not ended yet")
def waits_for_the_migration(recorded):
    chosen, pod = starts(recorded)
    pod["status"]["initContainerStatuses"] = [
        {"name": "wait-for-airflow-migrations", "ready": False, "state": {"running": {}}}
    ]
    return {"items": chosen, "logs": {"wait-for-airflow-migrations": "INFO - Waiting\n"}}


@made_up("lasts for a moment: the pod has a node, and the kubelet has said nothing of it")
def just_placed(recorded):
    chosen, pod = starts(recorded)
    pod["status"] = {"phase": "Pending"}
    pod["spec"]["volumes"] = [{"name": "config", "configMap": {"name": "airflow-config"}}]
    return {"items": chosen}


@made_up("the recorded volume had no class; this one is made, and not there yet")
def volume_on_its_way(recorded):
    pod = kind(recorded["volume-pending"], "Pod")
    pod["status"] = {"phase": "Pending"}
    pod["metadata"]["name"] = "volume-pending-without-a-word"
    return {"items": recorded["volume-pending"]["items"]}


@made_up("events go after an hour")
def volume_pending_without_an_event(recorded):
    return {"items": recorded["volume-pending"]["items"]}


@made_up("the recorded one has its Secrets, and lacks one; this one has all, and a node lost its network")
def secret_there(recorded):
    pod = kind(recorded["secret-volume-missing"], "Pod")
    pod["spec"]["volumes"] = [{"name": "v", "secret": {"secretName": "there"}}]
    return {"items": recorded["secret-volume-missing"]["items"]}


@made_up("whoever recorded was allowed everything")
def nothing_but_pods_allowed(recorded):
    state = recorded["pod-security"]
    return {"items": state["items"] + recorded["starting"]["items"], "refuses": ("secrets", "events")}


@made_up("no admission webhook was installed, and the policy's words stood in the Deployment's condition")
def refused_by_a_webhook(recorded):
    chosen = [item for item in of(recorded["healthy"], "airflow-scheduler", "airflow-redis") if item["kind"] != "Pod"]
    refused = 'Error creating: admission webhook "policy.example.com" denied the request: label team is missing'
    events = [
        {
            "reason": "FailedCreate",
            "type": "Warning",
            "message": refused,
            "involvedObject": {"kind": each, "name": name},
        }
        for each, name in (
            ("ReplicaSet", kind({"items": chosen}, "ReplicaSet")["metadata"]["name"]),
            ("StatefulSet", "airflow-redis"),
        )
    ]
    return {"items": chosen, "events": events}


@made_up("lasts for a moment: a pod has gone, and the next one is not made yet")
def one_of_two_workers(recorded):
    chosen = [
        item for item in of(recorded["healthy"], "airflow-worker") if item["metadata"]["name"] != "airflow-worker-1"
    ]
    return {"items": chosen}


@made_up("nobody deleted a Deployment while the recorder ran")
def deployment_deleted(recorded):
    gone = of(recorded["healthy"], "airflow-scheduler")
    rest = [item for item in recorded["healthy"]["items"] if item not in gone]
    return {"items": rest, "deleted": [item for item in gone if item["kind"] == "Deployment"]}


@made_up("no helm was killed by its time while the recorder ran")
def helm_ran_out_of_time(recorded):
    return recorded["starting"] | {"helm": 124}


@made_up("Helm's end is no object of a cluster's")
def helm_went_well(recorded):
    return recorded["healthy"] | {"helm": 0}
