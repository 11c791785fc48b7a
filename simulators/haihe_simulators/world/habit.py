"""What the stations of a world measure."""

SERIES = [
    "water_level.main.instant.0.derived.dagu",
    "supply_voltage.main.instant.0.instrument.-",
    "water_temperature.main.instant.0.instrument.-",
    "flow_velocity.main.instant.0.instrument.-",
]
