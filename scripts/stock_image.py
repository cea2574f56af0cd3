"""Write down what the stock image of the pinned Airflow brings (`make lock`): src/dag_integrity/stock_image.txt.

The extras are the default of AIRFLOW_EXTRAS in the Dockerfile of Airflow's repository, which its released images are
built with. Their resolution says which distributions come with them.
"""

import json
import os
import subprocess
from pathlib import Path

TEMPLATE = Path(__file__).resolve().parents[1]
LIST = TEMPLATE / "src/dag_integrity/stock_image.txt"
EXTRAS = (
    "aiobotocore,amazon,async,celery,cncf-kubernetes,common-io,common-messaging,docker,elasticsearch,fab,ftp,git,"
    "google,google-auth,graphviz,grpc,hashicorp,http,ldap,microsoft-azure,mysql,odbc,openlineage,pandas,postgres,"
    "redis,sendgrid,sftp,slack,snowflake,ssh,statsd,uv"
)
# In the Dockerfile of the main branch at 3.3.0, not in that of 3.2.1: the pinned Airflow may have it or not.
UNSURE_EXTRAS = "opensearch"
# The image is built with this one, whatever the extras.
BESIDES = "pip"
HEADER = """\
# What the image apache/airflow:{airflow}-python{python} brings, one a line; written by the template's make lock.
# Names: the extras in the Dockerfile of Airflow's repository (AIRFLOW_EXTRAS; those of 3.2.1 and of main at 3.3.0),
# resolved for Python {python}. Versions: of that resolution. The image's own, in Airflow's constraints of {airflow},
# may be older; make add reads those. A trailing ? marks what the image may lack: only the later Dockerfile has it.
"""


def resolve(airflow, python, extras):
    """Return the lines name==version of Airflow with these extras, for Linux and the image's Python."""
    requirements = "\n".join([f"apache-airflow[{extras}]=={airflow}", BESIDES])
    command = ["uv", "pip", "compile", "--quiet", "--no-config", "--no-header", "--no-annotate"]
    done = subprocess.run(
        [*command, "--python-platform=linux", f"--python-version={python}", "-"],
        input=requirements,
        env=os.environ | {"UV_PYTHON_DOWNLOADS": "never"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"The stock image cannot be resolved: {done.stderr.strip()}")
    return done.stdout.splitlines()


def main():
    """Resolve with and without what is unsure, and write the list."""
    pins = json.loads((TEMPLATE / "cookiecutter.json").read_text(encoding="utf-8"))
    airflow, python = pins["_airflow_version"], pins["_python_version"]
    sure = resolve(airflow, python, EXTRAS)
    names = {line.split("==")[0] for line in sure}
    unsure = [
        line for line in resolve(airflow, python, f"{EXTRAS},{UNSURE_EXTRAS}") if line.split("==")[0] not in names
    ]
    lines = sorted(sure + [f"{line} ?" for line in unsure])
    LIST.write_text(HEADER.format(airflow=airflow, python=python) + "\n".join(lines) + "\n", encoding="utf-8")
    print(f"stock image: {len(sure)} distributions, {len(unsure)} unsure")


if __name__ == "__main__":
    main()
