"""When schedules are due: against a slow oracle that tries every minute, over zones with odd clocks."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.schedule import InvalidScheduleError, schedule_of

ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",  # half an hour
    "America/Santiago",  # at midnight
    "Africa/Cairo",  # at midnight, on other days
    "Asia/Kathmandu",  # no daylight saving, +5:45
    "Antarctica/Troll",  # two hours
    "UTC",
)
MINUTE = timedelta(minutes=1)


def _values(field: str, low: int, high: int) -> set[int]:
    """Written anew here: `*`, `*/n`, numbers, ranges and lists of them."""
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        begin, end = (low, high) if span == "*" else (int(first), int(last or first))
        found |= set(range(begin, end + 1, int(step or 1)))
    return found


class Oracle:
    def __init__(self, cron: str, zone: str) -> None:
        self.minute, self.hour, day, month, weekday = cron.split()
        self.minutes, self.hours = _values(self.minute, 0, 59), _values(self.hour, 0, 23)
        self.days, self.months = _values(day, 1, 31), _values(month, 1, 12)
        self.weekdays = {value % 7 for value in _values(weekday, 0, 7)}
        self.both = day.startswith("*") or weekday.startswith("*")
        self.zone = ZoneInfo(zone)

    def _day(self, day: date) -> bool:
        of_month, of_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return day.month in self.months and (of_month and of_week if self.both else of_month or of_week)

    def _fits(self, local: datetime) -> bool:
        return local.minute in self.minutes and local.hour in self.hours and self._day(local.date())

    def between(self, first: datetime, last: datetime) -> list[datetime]:
        """By trying every minute of the world, and for fixed times every minute that a wall may show."""
        moments = [first + MINUTE * count for count in range(int((last - first) / MINUTE) + 1)]
        shown = [(each, each.astimezone(self.zone).replace(tzinfo=None, fold=0)) for each in moments]
        if self.zone.key == "UTC" or self.minute.startswith("*") or self.hour.startswith("*"):
            return [moment for moment, local in shown if self._fits(local)]
        found, seen, furthest = [], set(), shown[0][1] - MINUTE
        for moment, local in shown:
            due = local not in seen and self._fits(local)
            while furthest + MINUTE < local:  # what the wall has left out
                furthest += MINUTE
                due = due or self._fits(furthest)
            furthest = max(furthest, local)
            seen.add(local)
            if due:
                found.append(moment)
        return found


def _field(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    ranges = st.tuples(number, number).map(lambda pair: f"{min(pair)}-{max(pair)}")
    one = st.one_of(number.map(str), ranges)
    return st.one_of(
        st.just("*"),
        st.integers(1, 29).map(lambda step: f"*/{step}"),
        st.lists(one, min_size=1, max_size=3).map(",".join),
    )


CRONS = st.tuples(
    _field(0, 59), _field(0, 23), st.one_of(st.just("*"), _field(1, 31)), st.just("*"), _field(0, 7)
).map(" ".join)
# The days around which the clocks of these zones change.
STARTS = st.sampled_from(
    [
        datetime(2026, month, day, hour, tzinfo=UTC)
        for month, day in (
            (1, 9),
            (3, 7),
            (3, 28),
            (4, 4),
            (4, 23),
            (9, 5),
            (10, 3),
            (10, 24),
            (10, 29),
            (10, 31),
        )
        for hour in (0, 11, 23)
    ]
)


@settings(max_examples=150)
@given(CRONS, st.sampled_from(ZONES), STARTS, st.integers(0, 1440))
def test_it_is_due_when_the_oracle_says(cron: str, zone: str, start: datetime, minutes: int) -> None:
    first = start + MINUTE * minutes
    last = first + timedelta(days=3)
    # The oracle must have seen what the wall showed before, to know what comes twice.
    expected = [each for each in Oracle(cron, zone).between(first - timedelta(hours=4), last) if each > first]
    plan, found = schedule_of(cron, None, zone), []
    following = plan.after(first)
    while following is not None and following <= last and len(found) < 60:
        found.append(following)
        following = plan.after(following)
    assert found == expected[: len(found)]
    assert len(found) == min(60, len(expected))
    if found:
        until = found[-1] + timedelta(seconds=59)
        assert plan.latest(found[0], until) == found[-1]


@pytest.mark.parametrize(
    ("zone", "day", "local", "times"),
    [
        ("Europe/Berlin", date(2026, 3, 29), "30 2 * * *", ["2026-03-29T01:00+00:00"]),  # left out: at three
        ("Europe/Berlin", date(2026, 10, 25), "30 2 * * *", ["2026-10-25T00:30+00:00"]),  # twice: the first
        ("America/New_York", date(2026, 3, 8), "30 2 * * *", ["2026-03-08T07:00+00:00"]),
        ("America/New_York", date(2026, 11, 1), "30 1 * * *", ["2026-11-01T05:30+00:00"]),
        ("Africa/Cairo", date(2026, 4, 24), "0 0 * * *", ["2026-04-23T22:00+00:00"]),
    ],
)
def test_a_daily_schedule_fires_once_on_the_days_when_the_clock_changes(
    zone: str, day: date, local: str, times: list[str]
) -> None:
    plan = schedule_of(local, None, zone)
    midnight = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone))
    begin = midnight.astimezone(UTC) - MINUTE
    following = (midnight.replace(tzinfo=None) + timedelta(days=1)).replace(tzinfo=ZoneInfo(zone))
    found = [each for each in plan.upcoming(begin, 5) if each < following.astimezone(UTC)]
    assert [each.isoformat(timespec="minutes") for each in found] == times


def test_from_within_the_hour_that_comes_twice_it_is_not_due_again() -> None:
    plan = schedule_of("30 2 * * *", None, "Europe/Berlin")
    second = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)  # 2:10, the second time
    assert plan.after(second) == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


@given(st.integers(1, 100_000), st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)))
def test_every_so_many_seconds_is_counted_from_1970(seconds: int, moment: datetime) -> None:
    now = moment.replace(tzinfo=UTC)
    plan = schedule_of(None, seconds, None)
    found = plan.upcoming(now, 3)
    assert all(each.timestamp() % seconds == 0 for each in found)
    assert [later - each for each, later in pairwise(found)] == [timedelta(seconds=seconds)] * 2
    assert timedelta(0) < found[0] - now <= timedelta(seconds=seconds)
    assert plan.latest(found[0], found[2] + timedelta(seconds=seconds) / 2) == found[2]


def test_what_was_due_last_after_years_is_found_at_once() -> None:
    first, until = datetime(2016, 2, 29, tzinfo=UTC), datetime(2026, 5, 1, 0, 0, 30, tzinfo=UTC)
    assert schedule_of("0 0 29 2 *", None, "UTC").latest(first, until) == datetime(2024, 2, 29, tzinfo=UTC)
    minutely = schedule_of("* * * * *", None, "Europe/Berlin")
    assert minutely.latest(first, until) == until.replace(second=0)
    assert minutely.latest(until, first) == until


@pytest.mark.parametrize(
    ("cron", "seconds", "zone", "field", "says"),
    [
        ("* * * *", None, None, "cron", "five fields"),
        ("0 * * * * *", None, None, "cron", "five fields"),
        ("61 * * * *", None, None, "cron", "minute"),
        ("0 0 31 2 *", None, None, "cron", "day"),
        ("@reboot", None, None, "cron", "five fields"),
        ("* * * * *" + " " * 300, None, None, "cron", "five fields"),
        ("* * * * *", 60, None, "cron", "either"),
        (None, None, None, "cron", "either"),
        (None, 0, None, "every_seconds", "seconds"),
        (None, 10**9, None, "every_seconds", "seconds"),
        ("* * * * *", None, "US/Pacific-New", "timezone", "US/Pacific-New"),  # deleted in 2020
        ("* * * * *", None, "Europe", "timezone", "Europe"),
        ("* * * * *", None, "../../etc/passwd", "timezone", "time zone"),
        ("* * * * *", None, "localtime", "timezone", "localtime"),
    ],
)
def test_what_is_no_schedule_says_why(
    cron: str | None, seconds: int | None, zone: str | None, field: str, says: str
) -> None:
    with pytest.raises(InvalidScheduleError, match=says) as refused:
        schedule_of(cron, seconds, zone)
    assert refused.value.field == field
