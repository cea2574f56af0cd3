"""Mail when a task has failed for good, or when a run takes longer than it may: on by ETL_NOTIFY.

ETL_NOTIFY is the address. The mail goes through the Airflow connection smtp_default. Without ETL_NOTIFY
nothing is imported and nothing sent.
"""

from datetime import timedelta

from << cookiecutter.__package >>.settings import Settings

LONGEST_RUN = timedelta(hours=2)  # from being queued to the last task's end


def on_failure(settings: Settings) -> list:
    """For a DAG's default_args: what to call when a task has failed for good."""
    if not settings.notify:
        return []
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier

    return [
        SmtpNotifier(
            to=settings.notify,
            subject="{{ dag.dag_id }} {{ ti.task_id }} failed",
            html_content="Run {{ run_id }}: {{ exception }}",
        )
    ]


def deadline(settings: Settings, dag_id: str):
    """For a DAG's deadline: a mail when a run is not over after LONGEST_RUN; None without ETL_NOTIFY."""
    if not settings.notify:
        return None
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier
    from airflow.sdk import AsyncCallback, DeadlineAlert, DeadlineReference

    mail = {
        "to": settings.notify,
        "subject": f"A run of {dag_id} takes too long",
        "html_content": f"It is not over after {LONGEST_RUN} hours. See its page in Airflow.",
    }
    return DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=LONGEST_RUN,
        callback=AsyncCallback(SmtpNotifier, kwargs=mail),
    )
