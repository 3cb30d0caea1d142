"""Traffic: hourly volumes of one road, and a signal plan for a junction that it feeds."""

from __future__ import annotations

from foreseal.apps import App

DATA = """
[datasets.volume]
title = "Interstate 94 westbound, vehicles per hour"
source = "csv"
path = "data/i94.csv.gz"
id = "'i94'"
ds = "date_time"
y = "traffic_volume"
ambiguous = "earliest"                # the repeated hour of autumn appears once in the file
unit = "{vehicles}/h"
origin = "UCI Metro Interstate Traffic Volume, https://doi.org/10.24432/C5X60B"
licence = "CC-BY-4.0"
known_at = { delay = "1h" }           # a count is known when its hour is over

[datasets.weather]
title = "Weather measured at the road"
source = "csv"
path = "data/i94.csv.gz"
ds = "date_time"
y = ["temp", "rain_1h", "snow_1h", "clouds_all"]
ambiguous = "earliest"
unit = { temp = "K", rain_1h = "mm", snow_1h = "mm", clouds_all = "%" }
origin = "UCI Metro Interstate Traffic Volume, https://doi.org/10.24432/C5X60B"
licence = "CC-BY-4.0"
known_at = { delay = "1h" }
"""

TARGETS = """
[targets.volume_24h]
dataset = "volume"
covariates = ["weather"]              # only as known at the cutoff
horizon = 24
freq = "1h"
cutoffs = { start = 2018-08-01, end = 2018-09-29, every = "1d", at = "00:00" }
deadline = "1h"                       # latest sealing, after the cutoff
quantiles = [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95]
decimals = 1
rule = "wis"
baseline = "seasonal_naive(168)"      # the same hours of last week, with the spread of its own errors
missing = "baseline"                  # what a missing forecast scores
score_bound = 5000
forecasters = ["us"]
"""

MODELS = """
[models]
members = ["closed_form", "ridge(holidays='US')"]   # both know the season; the ridge weather and holidays too
"""

DECISION = """
[decisions.signal_plan]
policy = "webster"
from = "volume_24h"
approval = "none"

# An example junction: it receives 45 % of the counted volume, in these shares and on one lane each, which
# nearly fills it at the peak. At lower volumes every plan is about as good.
[decisions.signal_plan.options]
scale = 0.45
shares = { north = 0.3, south = 0.3, east = 0.2, west = 0.2 }
periods = ["00:00", "06:00", "09:00", "15:00", "19:00"]
"""

OUTCOME = """
[targets.volume_24h.outcome]
vintage = "latest_at_deadline"
deadline = "2d"                       # after the end of the horizon
"""

APP = App(
    name="traffic",
    title="Hourly traffic volume on Interstate 94 and a signal plan that follows it",
    data=DATA,
    targets=TARGETS,
    models=MODELS,
    decision=DECISION,
    outcome=OUTCOME,
    timezone="America/Chicago",
    files=("i94.csv.gz", "SOURCE.md"),
)
