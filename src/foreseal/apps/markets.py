"""Markets: tomorrow's returns as densities, with VaR and expected shortfall, and a portfolio within a limit.

Prices come with the package arch; a project of one's own names a CSV file instead. Nothing here is investment
advice.
"""

from __future__ import annotations

from foreseal.apps import App
from foreseal.collect.prices import Prices
from foreseal.decide.portfolio import CvarPortfolio

DATA = """
[datasets.returns]
title = "Daily returns of two share indices and of crude oil, in percent"
source = "prices"
sets = ["sp500", "nasdaq", "wti"]     # or: path = "prices.csv", a column date and one of prices per series
unit = "%"
origin = "The package arch: S&P 500 and NASDAQ Composite, adjusted close; WTI spot price, FRED"
licence = "NCSA (the package); prices under the terms of their origin, none of them is shipped"
known_at = { delay = "22h" }          # a close is known at 22:00 UTC of its day
quality = { range = [-50, 50], flat = 5 }   # flagged, not dropped: a split that was missed, a halted day
"""

TARGETS = """
[targets.next_day]
dataset = "returns"
horizon = 1
freq = "1d"
# Every midnight of the 250 sessions that Basel counts; a day without trade has no outcome and no score.
cutoffs = { start = 2018-01-02, end = 2018-12-31, every = "1d", at = "00:00" }
deadline = "1h"                       # latest sealing, after the cutoff
quantiles = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99, 0.995, 0.999]
decimals = 3
rule = "wis"
baseline = "volatility('historical')" # historical simulation: the last 500 returns as they are
missing = "baseline"                  # what a missing forecast scores
score_bound = 10
forecasters = ["us"]
"""

MODELS = """
[models]
members = ["volatility"]              # historical simulation, EWMA and GARCH, weighed by their scores
"""

DECISION = """
[decisions.portfolio]
policy = "cvar"
from = "next_day"
approval = "none"

[decisions.portfolio.options]
level = 0.975                         # of CVaR
limit = 3.0                           # CVaR in percent of the whole and day; what is cut is cash
max_weight = 0.6                      # of one position
"""

OUTCOME = """
[targets.next_day.outcome]
vintage = "latest_at_deadline"
deadline = "1d"                       # after the end of the horizon
"""

APP = App(
    name="markets",
    title="Returns of the next trading day as densities, and a portfolio of least expected shortfall",
    data=DATA,
    targets=TARGETS,
    models=MODELS,
    decision=DECISION,
    outcome=OUTCOME,
    extras=("finance",),
    sources={"prices": Prices},
    policies={"cvar": CvarPortfolio},
)
