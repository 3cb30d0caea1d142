"""Units are UCUM codes; what is not says what was meant."""

from __future__ import annotations

import pytest

from foreseal.errors import SettingsError
from foreseal.store import Schema
from foreseal.store.unit import check_unit


@pytest.mark.parametrize(
    "code",
    "1 % m km/h {vehicles}/h mm[Hg] Cel [degF] ug/m3 10*3/uL 10^-6.m m/s2 kg.m2.s-2 /min kW.h 100.ft "
    "mol/L m[IU]/mL {#}/wk d a mo [in_i] K dB[SPL] (kg.m)/s2 MiBy kg{wet} [ppm] %{vol} eV l/h/m2".replace(
        "100.ft", "100.[ft_i]"
    ).split(),
)
def test_codes_of_the_standard_are_taken(code):
    assert check_unit(code) == code


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("", "not a UCUM unit"),
        ("vehicles per hour", "not a UCUM unit"),
        ("km/hour", "'h'"),
        ("°C", "'Cel'"),
        ("mph", r"'\[mi_i\]/h'"),
        ("m//s", "not a UCUM unit"),
        ("m.", "not a UCUM unit"),
        ("(m", "not a UCUM unit"),
        ("m)", "not a UCUM unit"),
        ("m (s)", "not a UCUM unit"),
        ("{a}{", "not a UCUM unit"),
        ("kmin", "Did you mean"),
        ("kWhh", r"'kWhh' is not a UCUM unit\.\nDid you mean 'kW\.h'"),
        ("kWh", r"Did you mean 'kW\.h'"),
        ("vehicles", r"'\{vehicles\}'"),
        ("vehicles/h", r"'\{vehicles\}/h'"),
        ("1/Passengers", r"'1/\{Passengers\}'"),
        ("bikes", r"'\{bikes\}'"),
        ("metres", "'m'"),
        ("minutes", "'min'"),
        ("x" * 101, "not a UCUM unit"),
        ("5m", "not a UCUM unit"),
    ],
)
def test_what_is_no_code_is_refused_with_what_was_meant(code, hint):
    with pytest.raises(SettingsError, match=hint):
        check_unit(code)


def test_a_dataset_may_have_a_unit_per_series():
    assert Schema("w", unit={"temp": "K", "rain": "mm"}).unit == {"temp": "K", "rain": "mm"}
    with pytest.raises(SettingsError, match="kelvin"):
        Schema("w", unit={"temp": "kelvin"})
