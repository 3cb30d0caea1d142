"""The usual day beside sums over days written out."""

from __future__ import annotations

import numpy as np

from foreseal.predict.profile import PRIOR_DAYS, Profile


def test_a_time_does_not_see_its_own_day():
    rng = np.random.default_rng(0)
    times = np.datetime64("2024-01-04T00:00", "us") + np.arange(24 * 6) * np.timedelta64(1, "h")  # Thursday
    z = rng.normal(size=(2, 24 * 6))
    z[1, 30:40] = np.nan
    every, kind = Profile.of(z, times, 24).at(times)
    days = z.reshape(2, 6, 24)
    weekend = np.array([False, False, True, True, False, False])
    for day in range(6):
        other = np.arange(6) != day
        alike = other & (weekend == weekend[day])
        usual = np.nansum(days[:, other], axis=1) / (np.isfinite(days[:, other]).sum(axis=1) + PRIOR_DAYS)
        np.testing.assert_allclose(every[:, 24 * day : 24 * day + 24], usual, atol=1e-12)
        want = (np.nansum(days[:, alike], axis=1) + PRIOR_DAYS * usual) / (
            np.isfinite(days[:, alike]).sum(axis=1) + PRIOR_DAYS
        )
        np.testing.assert_allclose(kind[:, 24 * day : 24 * day + 24], want, atol=1e-12)


def test_a_day_to_come_sees_all_days():
    times = np.datetime64("2024-01-01T00:00", "us") + np.arange(24 * 3) * np.timedelta64(1, "h")
    z = np.tile(np.arange(24.0), 3)[None]
    every, _ = Profile.of(z, times, 24).at(times[:24] + np.timedelta64(3, "D"))
    np.testing.assert_allclose(every[0], np.arange(24.0) * 3 / (3 + PRIOR_DAYS))


def test_fine_steps_are_smoothed_round_midnight():
    z = np.zeros((1, 288 * 3))
    z[0, ::288] = 1.0
    times = np.datetime64("2024-01-01T00:00", "us") + np.arange(z.shape[1]) * np.timedelta64(5, "m")
    every, _ = Profile.of(z, times, 288).at(times[:288] + np.timedelta64(7, "D"))
    np.testing.assert_allclose(every[0, 1:4], every[0, -1:-4:-1], atol=1e-9)
    assert every[0, 0] == every[0].max() > every[0, 6] > 1e-3
