"""When a schedule is due: by a cron expression in a time zone, or every so many seconds.

Over daylight saving, as cron does it on Debian: where minute and hour are given (`30 2 * * *`), a time that
the clock leaves out is made up for at once when it goes on, and one that comes twice counts the first time.
Where one of them begins with `*`, the schedule simply follows the clock on the wall.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

MIN_SECONDS = 1
MAX_SECONDS = 366 * 86_400
_MARGIN = timedelta(hours=3)
"""More than a clock is put back or forward at once."""
_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)
_SMALLEST = "Write five fields: minute, hour, day of month, month, day of week, like 0 9 * * MON-FRI"


class InvalidScheduleError(ValueError):
    """`field` is the setting that is wrong."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class Schedule:
    """Exactly one of `cron` and `every_seconds` is given; the latter counts from 1970."""

    cron: str | None
    every_seconds: int | None
    zone: tzinfo = UTC

    def after(self, moment: datetime) -> datetime | None:
        """The first time later than `moment`, in UTC; None where there is none in 50 years."""
        if self.every_seconds is not None:
            return _multiple_after(moment, self.every_seconds)
        assert self.cron is not None
        if self.zone is UTC:
            return _next(CronSim(self.cron, _naive(moment, UTC)), UTC)
        soon = self._undisturbed(moment)
        if soon is not None:
            return soon
        minute, hour, *_ = self.cron.split()
        follows_clock = minute.startswith("*") or hour.startswith("*")
        return self._by_the_clock(moment) if follows_clock else self._by_time(moment)

    def upcoming(self, moment: datetime, count: int) -> list[datetime]:
        found: list[datetime] = []
        following = self.after(moment)
        while following is not None and len(found) < count:
            found.append(following)
            following = self.after(following)
        return found

    def latest(self, first: datetime, until: datetime) -> datetime:
        """Of the times from `first`, which is one, up to `until`: the last."""
        if self.every_seconds is not None:
            late = max(0.0, (until - first).total_seconds())
            return first + timedelta(seconds=late // self.every_seconds * self.every_seconds)
        # From ever longer ago, so that neither a year of minutes nor a rare day takes many steps.
        back = _MINUTE
        while until - back > first:
            found = self.after(until - back)
            if found is not None and found <= until:
                return self._last_between(found, until)
            back *= 4
        return self._last_between(first, until)

    def _last_between(self, first: datetime, until: datetime) -> datetime:
        following = self.after(first)
        while following is not None and following <= until:
            first, following = following, self.after(following)
        return first

    def _undisturbed(self, moment: datetime) -> datetime | None:
        """What comes next within a day, where no clock changes about then; else None."""
        assert self.cron is not None
        local = next(CronSim(self.cron, _naive(moment, self.zone)), None)
        if local is None:
            return None
        found = local.replace(tzinfo=self.zone).astimezone(UTC)
        around = (moment - _MARGIN, moment, found, found + _MARGIN)
        steady = len({each.astimezone(self.zone).utcoffset() for each in around}) == 1
        return found if steady and found - moment <= _DAY else None

    def _by_time(self, moment: datetime) -> datetime | None:
        for local in self._locals(moment):
            found = _first_real(local, self.zone)
            if found > moment:
                return found
        return None

    def _by_the_clock(self, moment: datetime) -> datetime | None:
        best: datetime | None = None
        for local in self._locals(moment):
            if best is not None and local > _naive(best, self.zone) + _MARGIN:
                break
            for found in _all_real(local, self.zone):
                if found > moment and (best is None or found < best):
                    best = found
        return best

    def _locals(self, moment: datetime) -> Iterator[datetime]:
        """The times that fit, as the wall's clock tells them, from a little before `moment`."""
        assert self.cron is not None
        yield from CronSim(self.cron, _naive(moment, self.zone) - _MARGIN)


def schedule_of(cron: str | None, every_seconds: int | None, timezone: str | None) -> Schedule:
    """Raises InvalidScheduleError."""
    if (cron is None) == (every_seconds is None):
        raise InvalidScheduleError("cron", "Give either a cron expression or a number of seconds")
    if cron is not None:
        check_cron(cron)
    elif every_seconds is not None and not MIN_SECONDS <= every_seconds <= MAX_SECONDS:
        raise InvalidScheduleError("every_seconds", f"This is from {MIN_SECONDS} to {MAX_SECONDS} seconds")
    return Schedule(cron, every_seconds, zone_of(timezone or "UTC"))


def check_cron(cron: str) -> None:
    """Raises InvalidScheduleError, also for a day that never comes."""
    if len(cron.split()) != 5 or len(cron) > 200:
        raise InvalidScheduleError("cron", _SMALLEST)
    try:
        never = next(CronSim(cron, datetime(2000, 1, 1)), None) is None
    except CronSimError as error:
        raise InvalidScheduleError("cron", f"{error}. {_SMALLEST}") from error
    if never:
        raise InvalidScheduleError("cron", "There is no such day, so this would never run")


@lru_cache(maxsize=1000)
def zone_of(name: str) -> tzinfo:
    """Raises InvalidScheduleError, naming it."""
    if name == "UTC":
        return UTC
    try:
        if name == "localtime":
            raise ValueError
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise InvalidScheduleError(
            "timezone", f"There is no time zone {name[:100]!r}; name one like Europe/Berlin or UTC"
        ) from error


def _multiple_after(moment: datetime, seconds: int) -> datetime:
    count = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=seconds)
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds) * (count + 1)


def _next(times: CronSim, zone: tzinfo) -> datetime | None:
    found = next(times, None)
    return found.replace(tzinfo=zone) if found is not None else None


def _naive(moment: datetime, zone: tzinfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def _all_real(local: datetime, zone: tzinfo) -> list[datetime]:
    """When the clock shows it: never, once or twice."""
    both = [local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)]
    return [each for each in dict.fromkeys(both) if _naive(each, zone) == local]


def _first_real(local: datetime, zone: tzinfo) -> datetime:
    """When the clock first shows it, or, where it leaves it out, what it shows next."""
    while not (found := _all_real(local, zone)):
        local += _MINUTE
    return min(found)
