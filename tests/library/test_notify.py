"""ETL_NOTIFY on a real SMTP server: who gets which mail when a task fails, or a run misses its deadline."""

import json
import mailbox
import shutil
import subprocess
import sys
import time

import pytest

from tests.conftest import TEMPLATE, run
from tests.servers.ports import free_port, listening

pytestmark = [pytest.mark.airflow, pytest.mark.servers]


@pytest.fixture
def smtp(tmp_path):
    """An SMTP server on loopback: its port, and the folder of what it was given."""
    uv = shutil.which("uv") or str(TEMPLATE / ".tools" / "bin" / "uv")
    run([uv, "pip", "install", "-q", "--python", sys.executable, "--target", "smtp", "aiosmtpd"], tmp_path)
    port = free_port()
    command = [sys.executable, "-m", "aiosmtpd", "-n", "-l", f"127.0.0.1:{port}"]
    command += ["-c", "aiosmtpd.handlers.Mailbox", str(tmp_path / "mail")]
    server = subprocess.Popen(command, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path / "smtp")})
    end = time.monotonic() + 30
    while not listening(port):
        if server.poll() is not None or time.monotonic() > end:
            pytest.fail("the SMTP server did not start")
        time.sleep(0.1)
    yield port, tmp_path / "mail"
    server.terminate()
    server.wait(30)


def test_mails_of_a_failure_and_a_missed_deadline(installed, smtp, tmp_path):
    port, folder = smtp
    extra = {"disable_tls": True, "disable_ssl": True, "from_email": "etl@example.com"}
    connection = {"conn_type": "smtp", "host": "127.0.0.1", "port": port, "extra": extra}
    printed = run(
        [".venv/bin/python", str(TEMPLATE / "tests" / "library" / "in_project" / "mail.py")],
        cwd=installed(),
        AIRFLOW_HOME=str(tmp_path / "airflow"),
        AIRFLOW__CORE__DAGS_FOLDER="dags",
        AIRFLOW_CONN_SMTP_DEFAULT=json.dumps(connection),
        ETL_DATA_ROOT=f"file://{tmp_path}/data",
        ETL_NOTIFY="someone@example.com",
        PYTHONPATH="dags",
    )
    assert "the run: failed" in printed
    mails = {mail["Subject"]: mail for mail in mailbox.Maildir(folder)}
    assert {mail["X-RcptTo"] for mail in mails.values()} == {"someone@example.com"}
    assert sorted(mails) == ["A run of extract takes too long", "extract fetch failed"]
    (body,) = mails["extract fetch failed"].get_payload()
    assert "2018-03-01" in body.get_payload(decode=True).decode(), "the reason is in it"
