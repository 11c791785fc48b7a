"""The text that every compressed body of version 1 may refer to as if it had come before it (RFC 1951, RFC 1950 FDICT).

It belongs to the version of the wire and never changes with it: not with the register of elements either.
"""

PRESET = b" ".join(
    b"""
    counters_forgotten journal_damaged journal_salvaged unreadable memory_full no_space thinned stopped file why bus
    level_cleared level_raised unverified datum threshold level
    water_level distance period_rain accumulated_rain rain_intensity evaporation flow velocity
    water_temperature air_temperature relative_humidity air_pressure wind_speed wind_direction soil_moisture
    soil_temperature turbidity ph dissolved_oxygen conductivity redox_potential gate_opening supply_voltage
    supply_current solar_voltage signal echo_quality board_temperature latitude longitude altitude satellites contact
    .main.total.300.instrument.- .main.total.3600.derived.- .main.total.86400.derived.- .main.max.300.derived.-
    .main.mean.600.instrument.- .main.min.600.instrument.- .main.max.600.instrument.- .upstream.instant.0.derived.-
    .downstream.instant.0.derived.- .main.instant.0.manual.- .main.instant.0.derived.- .main.instant.0.instrument.-
    """.split()
)
"""Words of events and gaps, codes of elements, and what usually follows a code in a series key; likely ones last."""
