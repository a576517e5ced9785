"""The scheduler process: sends again what is due, and sweeps. Several may run: all it does is repeatable."""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress

from agentflow_app.accounts.active import sweep_ended
from agentflow_app.accounts.challenges import sweep_challenges
from agentflow_app.accounts.erasure import sweep_erased
from agentflow_app.accounts.links import sweep_links
from agentflow_app.accounts.proof import sweep_proofs
from agentflow_app.accounts.sessions import sweep_sessions
from agentflow_app.core import heartbeats, jobs
from agentflow_app.core.database import close_database
from agentflow_app.core.errors import AppError
from agentflow_app.core.housekeeping import sweep
from agentflow_app.core.jobs import hints
from agentflow_app.core.settings import settings
from agentflow_app.executions import claims
from agentflow_app.executions.base import RUN_JOB
from agentflow_app.executions.failures import tell_failures
from agentflow_app.executions.kin import mend_kin
from agentflow_app.executions.retention import remove_old_runs
from agentflow_app.mail import service as mail
from agentflow_app.organizations import exports
from agentflow_app.organizations.deletion import remove_for_good
from agentflow_app.schedules import ticking
from agentflow_app.sso.login import sweep_sso

logger = logging.getLogger(__name__)
SWEEP_SECONDS = 600.0
BATCH = 100
LONGEST_SLEEP = 1.0
"""A schedule that was published meanwhile is seen after this."""
SHORTEST_SLEEP = 0.1


async def reconcile() -> None:
    """Sends the wake-ups of due work again, for those whose message was lost, and runs failures' agents."""
    if await claims.due(1):
        hints().give(RUN_JOB)
    await tell_failures(BATCH)
    await mend_kin(BATCH)
    for export_id in await exports.due_exports(BATCH):
        await jobs.send(exports.EXPORT_JOB, str(export_id))
    for mail_id in await mail.due(BATCH):
        await jobs.send(mail.DELIVER_JOB, str(mail_id))


async def housekeep() -> None:
    await sweep()
    await sweep_sessions()
    await sweep_ended()
    await sweep_links()
    await sweep_challenges()
    await sweep_proofs()
    await sweep_sso()
    await sweep_erased()
    await mail.sweep_mail()
    await exports.sweep_exports()
    await remove_for_good()
    await remove_old_runs()
    await ticking.sweep_ticks()


async def _every(seconds: float, task: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await task()
        except AppError as error:
            logger.warning("Scheduled work failed; it is tried again", extra={"error": error.message})
        except Exception:
            logger.exception("Scheduled work crashed; it is tried again")
        await asyncio.sleep(seconds)


async def keep_time() -> None:
    """Starts what schedules say, each at its time."""
    while True:
        pause: float | None = None
        try:
            await ticking.tick()
            pause = await ticking.next_due_in()
        except AppError as error:
            logger.warning("Schedules are looked at again", extra={"error": error.message})
        except Exception:
            logger.exception("Looking at schedules crashed; it is tried again")
        await asyncio.sleep(
            LONGEST_SLEEP if pause is None else min(LONGEST_SLEEP, max(SHORTEST_SLEEP, pause))
        )


async def serve() -> None:
    """Until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    name = heartbeats.process_name("scheduler")
    tasks = [
        asyncio.create_task(_every(settings().reconcile_seconds, reconcile)),
        asyncio.create_task(_every(SWEEP_SECONDS, housekeep)),
        asyncio.create_task(keep_time()),
        asyncio.create_task(heartbeats.beat_forever("scheduler", name)),
    ]
    logger.info("Scheduler ready", extra={"scheduler": name})
    await stop.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    with suppress(AppError):  # the database may have stopped first
        await heartbeats.stop_beating(name)
    await close_database()


def run() -> None:
    asyncio.run(serve())
