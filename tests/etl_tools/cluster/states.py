"""What a Kubernetes 1.36 with a kubelet answered in each state, trimmed: states.json.

A state is one workload with its pods and the warnings about them, each as `kubectl get --output=json` prints it, with
the release's label. `healthy` is the whole release, `stuck` a StatefulSet after a bad image and a good one
(kubernetes#67250). ReplicaSets of the whole release were not written down: those of `healthy` are what their pods and
Deployments name.
"""

import copy
import json
from pathlib import Path

from tests.etl_tools.cluster import made_up_states

STATES = json.loads(Path(__file__).with_name("states.json").read_text(encoding="utf-8"))
# Those of made_up_states.py, which no recording has, beside them.
ALL = STATES | made_up_states.fill(STATES)


def items(*names):
    """The objects of these states, to change as a test likes."""
    return [copy.deepcopy(item) for name in names for item in STATES[name]["items"]]


def events(*names):
    return [event for name in names for event in STATES[name]["events"]]


def selected(events, selector):
    """The events that a field selector leaves."""
    wanted = dict(part.split("=") for part in selector.split(","))
    shown = [event | {"involvedObject.kind": event["involvedObject"]["kind"]} for event in events]
    return [event for event in shown if all(event[name] == value for name, value in wanted.items())]
