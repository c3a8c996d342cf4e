"""How each chapter of a cohort stands."""

from helpers.io.tables import read_json
from helpers.report.plan import Plan, stale_reasons


def chapter_states(plan: Plan) -> list[tuple[str, str, str]]:
    """Every chapter with its state and the reason: done, stale, skipped, failed, not built."""
    reasons = stale_reasons(plan)
    rows = [(chapter, "skipped", reason) for chapter, reason in plan.skipped.items()]
    for job in plan.chapters():
        status = plan.folder / job.outputs[0]
        record = read_json(status) if status.exists() else {}
        reason = str(record.get("reason", ""))
        if record.get("status") == "failed":
            where = plan.folder / "chapters" / f"{job.subject}.ipynb"
            look = f" (see {where})" if where.exists() else f" (see {plan.folder / 'logs'})"
            rows.append((job.subject, "failed", reason + look))
        elif not record:
            rows.append((job.subject, "not built", "run relapse-book build"))
        elif job.name in reasons:
            rows.append((job.subject, "stale", reasons[job.name]))
        else:
            rows.append((job.subject, str(record["status"]), reason))
    return rows
