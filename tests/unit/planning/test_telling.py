"""What somebody in line is told of its place, when that is news, and how right it was in the end."""

from __future__ import annotations

from tables import table

from hostler.planning import moments
from hostler.planning.forecasterror import ForecastError, judge
from hostler.planning.telling import interval, is_news, place_of
from hostler.planning.verdicts import Forecast, Obstacle, Place, PoolFigures, ToldForecast, Wait

NOW = "2026-01-01T12:00:00Z"
FIGURES = PoolFigures(free=0, allocatable=8, largest_free_block=0, held=8)


def waits(*, position: int = 1, waiting: int = 1, expected: float | None = None) -> Wait:
    forecast = None if expected is None else Forecast(earliest=expected / 2, expected=expected, latest=expected * 2)
    return Wait(
        obstacle=Obstacle.WAITING_FOR_CAPACITY, position=position, waiting=waiting, figures=FIGURES, forecast=forecast
    )


def told(wait: Wait, *, now: str = NOW, before: Place | None = None) -> Place:
    found = place_of(wait, now=now, before=before)
    assert found is not None
    return found


@table(
    ("position", "waiting", "want"),
    {
        "the first ten know their place": (3, 9, (3, 9)),
        "after them it is told in tens": (11, 14, (20, 20)),
        "and in hundreds": (1234, 1950, (1300, 2000)),
        "a place is never behind the end of the line": (19, 10, (20, 20)),
    },
)
def test_places_are_as_coarse_as_they_are_far_from_the_front(
    position: int, waiting: int, want: tuple[int, int]
) -> None:
    place = told(waits(position=position, waiting=waiting))
    assert (place.position, place.waiting) == want


def test_who_only_waits_to_have_its_seats_anew_has_no_place() -> None:
    assert place_of(waits(position=0, waiting=0), now=NOW, before=None) is None


def test_a_forecast_is_told_in_whole_minutes_and_no_narrower_than_it_was() -> None:
    forecast = told(waits(expected=610)).forecast
    assert forecast == ToldForecast(
        at=NOW, expected="2026-01-01T12:11:00Z", earliest="2026-01-01T12:05:00Z", latest="2026-01-01T12:21:00Z"
    )


@table(
    ("later", "expected", "news"),
    {
        "time passes and the forecast comes true": (600.0, 3000.0, False),
        "a minute off is none": (600.0, 3055.0, False),
        "a tenth of what is left is none": (600.0, 3290.0, False),
        "more than a tenth is news": (600.0, 3500.0, True),
        "sooner is news too": (600.0, 2500.0, True),
        "nobody knows any more": (600.0, None, True),
        "it was to start now, and it is hours again": (3600.0, 7200.0, True),
    },
)
def test_a_forecast_is_told_anew_where_it_is_wrong(later: float, expected: float | None, news: object) -> None:
    before = told(waits(expected=3600))
    after = told(waits(expected=expected), now=moments.later(NOW, seconds=later), before=before)
    assert is_news(before, after) is news
    assert after.first == before.forecast, "the first forecast is kept to the end"


def test_that_others_have_come_behind_is_no_news() -> None:
    before = told(waits(position=3, waiting=3))
    assert not is_news(before, told(waits(position=3, waiting=900), before=before))
    assert is_news(before, told(waits(position=2, waiting=3), before=before))
    assert is_news(None, before), "a status of an older release says nothing of a place"


def test_who_is_far_from_the_front_is_looked_at_less_often() -> None:
    assert [interval(position) for position in (1, 10, 11, 100, 101, 2000)] == [60, 60, 300, 300, 900, 900]


TOLD = ToldForecast(
    at="2026-01-01T12:00:00Z",
    expected="2026-01-01T12:10:00Z",
    earliest="2026-01-01T12:05:00Z",
    latest="2026-01-01T12:20:00Z",
)


@table(
    ("started", "want"),
    {
        "on time": ("12:10:00", ForecastError(seconds=0, ratio=1, covered=True)),
        "late and inside": ("12:20:00", ForecastError(seconds=600, ratio=2, covered=True)),
        "too late": ("12:30:00", ForecastError(seconds=1200, ratio=3, covered=False)),
        "early and inside": ("12:05:00", ForecastError(seconds=-300, ratio=0.5, covered=True)),
        "too early": ("12:01:00", ForecastError(seconds=-540, ratio=0.1, covered=False)),
        "a clock that was set back": ("11:00:00", ForecastError(seconds=-4200, ratio=0, covered=False)),
    },
)
def test_a_forecast_is_judged_by_the_start(started: str, want: ForecastError) -> None:
    assert judge(TOLD, started=f"2026-01-01T{started}Z") == want
