"""The page of jobs as HTML."""

from typing import Any

from bigzip.jobs.states import JobState, is_final
from bigzip.server.job_documents import JobDocument
from bigzip.server.web.links import shown
from bigzip.server.web.page import STATES, Visitor, environment, human_size, of_visitor

_ALL = "all files"


def jobs_page(jobs: list[JobDocument], visitor: Visitor, older: str | None) -> str:
    """The page of somebody's jobs; `older` is where the page of older ones is, if there are any."""
    return environment.get_template("jobs.html").render(
        title="Jobs",
        here=[_ALL],
        path="",
        path_problem=None,
        search="",
        jobs=[_card(job) for job in jobs],
        older=older,
        **of_visitor(visitor),
    )


def _card(job: JobDocument) -> dict[str, Any]:
    return {
        "id": job.id,
        "name": shown(job.name),
        "state": job.state.value,
        "state_text": STATES[job.state],
        "is_active": not is_final(job.state),
        "can_resume": job.state in (JobState.FAILED, JobState.CANCELLED),
        "is_done": job.links.download is not None,
        "archives": [
            {"name": shown(archive.name), "size": human_size(archive.size), "link": archive.links.download}
            for archive in job.archives or ()
        ],
        "percent": job.progress.percent,
        "facts": _facts(job),
        "problem": "" if job.problem is None else shown(job.problem.detail),
    }


def _facts(job: JobDocument) -> str:
    """What is known of a job, as the script writes it too."""
    told = []
    if job.entries is not None:
        told.append(f"{job.entries:,} {'entry' if job.entries == 1 else 'entries'}")
    if job.archives is not None and len(job.archives) > 1:
        told.append(f"{len(job.archives):,} archives")
    if job.state is JobState.DONE and job.content_length is not None:
        told.append(human_size(job.content_length))
    elif job.progress.data_bytes is not None:
        told.append(f"{human_size(job.progress.data_bytes_done)} of {human_size(job.progress.data_bytes)}")
    if job.state is JobState.DONE and job.expires is not None:
        told.append(f"until {job.expires:%Y-%m-%d %H:%M} UTC")
    return " \u00b7 ".join(told)
