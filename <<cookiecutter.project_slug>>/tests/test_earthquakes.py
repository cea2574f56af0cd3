"""The example: its functions on rows made by hand, and a sample day through both DAGs in a real Airflow."""

import math

import pandas as pd
import pytest

from << cookiecutter.__package >>.datasets import read
from << cookiecutter.__package >>.earthquakes import dataset
from << cookiecutter.__package >>.earthquakes.source import SAMPLE

DAY = "2018-02-01"
# What the sample's file of the day has, counted with grep.
EVENTS, EARTHQUAKES = 231, 224


def events(**columns):
    """A DataFrame as clean() gets it: good events, but for the given columns."""
    good = {"time": "2018-02-01T12:00:00Z", "mag": 1.5, "depth": 10.0, "type": "earthquake"}
    rows = max(len(values) for values in columns.values())
    frame = pd.DataFrame({name: [value] * rows for name, value in good.items()} | columns)
    return frame.assign(time=pd.to_datetime(frame["time"]))


def test_magnitude_classes():
    magnitudes = [-1, 2.99, 3, 4.5, 5, 6, 7.9, 8, math.nan]
    classes = ["micro", "micro", "minor", "light", "moderate", "strong", "major", "great"]
    found = dataset.clean(events(mag=magnitudes))["magnitude_class"]
    assert list(found[:-1]) == classes
    assert found.isna().to_list() == [False] * 8 + [True]


def test_depth_classes():
    found = dataset.clean(events(depth=[-2, 69.9, 70, 299, 300]))["depth_class"]
    assert found.to_list() == ["shallow", "shallow", "intermediate", "intermediate", "deep"]


def test_the_local_day_follows_daylight_saving(monkeypatch):
    monkeypatch.setattr(dataset, "TIMEZONE", "America/Los_Angeles")
    times = ["2018-03-11T07:59:00Z", "2018-03-11T08:00:00Z", "2018-03-12T06:59:00Z", "2018-03-12T07:00:00Z"]
    found = dataset.clean(events(time=times))["local_day"]
    assert found.dt.date.astype(str).to_list() == ["2018-03-10", "2018-03-11", "2018-03-11", "2018-03-12"]


def test_what_is_no_earthquake_is_set_apart():
    assert dataset.is_no_earthquake(events(type=["earthquake", "quarry blast"])).to_list() == [False, True]


@pytest.fixture
def a_day(dags, data_root):
    """One sample day through both DAGs, without retries; the folder of the data."""
    for name in ("extract", "transform"):
        for task in dags[name].tasks:
            (task.partial_kwargs if task.is_mapped else vars(task))["retries"] = 0
        assert dags[name].test(logical_date=None, run_conf={"partition": DAY}).state == "success"
    return data_root


def test_a_day_through_both_dags(a_day):
    earthquakes, others = read("earthquakes", DAY), read("earthquakes", DAY, folder="set_apart")
    assert (len(earthquakes), len(others)) == (EARTHQUAKES, EVENTS - EARTHQUAKES)
    assert earthquakes["id"].is_unique
    assert earthquakes["time"].is_monotonic_increasing
    assert set(earthquakes["time"].dt.date.astype(str)) == {DAY}


def test_the_raw_day_is_what_the_source_sent(a_day):
    files = sorted((a_day / "raw" / "earthquakes" / f"partition_date={DAY}").glob("*.csv"))
    slices = [file.read_bytes().splitlines() for file in files]
    sent = (SAMPLE / f"{DAY}.csv").read_bytes().splitlines()
    assert [len(files), slices[0][0], *(line for lines in slices for line in lines[1:])] == [4, *sent]
