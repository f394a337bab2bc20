#!/usr/bin/env python3
"""Where a deadline goes after an outage, written from the sentences of rules T1 and T2 alone.

It shares no code and no numbers with the platform: the numbers below are those of the sentences, the
calendar is read from the year files by rules of its own, and civil time is Python's. One question a
line comes in as JSON, with times in microseconds since 1970 UTC; one answer a line goes out.
"""

import datetime as dt
import json
import pathlib
import sys
import tomllib

CHINA = dt.timezone(dt.timedelta(hours=8))
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
DAY = dt.timedelta(days=1)
MINUTE = dt.timedelta(minutes=1)


def days_off_and_on(folder):
    """Every day off by arrangement, every weekend day worked in exchange, and the years that are known."""
    off, on, years = set(), set(), set()
    for file in sorted(pathlib.Path(folder).glob("*.toml")):
        year = tomllib.loads(file.read_text(encoding="utf-8"))
        years.add(year["year"])
        on.update(dt.date.fromisoformat(day) for day in year["workdays"])
        for holiday in year["holidays"]:
            day = dt.date.fromisoformat(holiday["from"])
            while day <= dt.date.fromisoformat(holiday["to"]):
                off.add(day)
                day += DAY
    return off, on, years


class Calendar:
    def __init__(self, folder):
        self.off, self.on, self.years = days_off_and_on(folder)

    def is_worked(self, day):
        if day.year not in self.years:
            # Nothing was arranged: the statutory days with a fixed date, and weekends.
            fixed = [(1, 1), (5, 1), (5, 2), (10, 1), (10, 2), (10, 3)]
            return (day.month, day.day) not in fixed and day.isoweekday() < 6
        if day in self.off:
            return False
        return day in self.on or day.isoweekday() < 6

    def business(self, moment):
        """The moment, if it is one of business; else when business begins next."""
        day = moment.date()
        if self.is_worked(day):
            begins = dt.datetime.combine(day, dt.time(9), CHINA)
            ends = dt.datetime.combine(day, dt.time(17), CHINA)
            if moment < begins:
                return begins
            if moment <= ends:
                return moment
        day += DAY
        while not self.is_worked(day):
            day += DAY
        return dt.datetime.combine(day, dt.time(9), CHINA)


def moment(micros):
    return (EPOCH + dt.timedelta(microseconds=micros)).astimezone(CHINA)


def new_deadline(calendar, case):
    out, back = moment(case["from_us"]), moment(case["until_us"])
    deadline = moment(case["deadline_us"])
    if back - out < MINUTE:
        return deadline
    if not out < deadline <= back + 120 * MINUTE:
        return deadline
    if case["moved_before"] >= 10:
        return deadline
    announced = case.get("maintenance")
    planned = (
        announced is not None
        and moment(announced["from_us"]) - moment(announced["announced_us"]) >= DAY
        and moment(announced["from_us"]) <= out
        and moment(announced["until_us"]) >= back
    )
    if planned or back - out <= 120 * MINUTE:
        more = 120 * MINUTE
    else:
        more = DAY
    moved = max(deadline, back) + more
    whole = moved.replace(second=0, microsecond=0)
    if whole < moved:
        whole += MINUTE
    return calendar.business(whole)


def main():
    calendar = Calendar(sys.argv[1])
    for line in sys.stdin:
        answer = new_deadline(calendar, json.loads(line)) - EPOCH
        print((answer.days * 86_400 + answer.seconds) * 1_000_000 + answer.microseconds)


if __name__ == "__main__":
    main()
