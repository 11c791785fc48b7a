"""Is this an alarm, and is it over? Rules, their judgement in event time, and the book of alarms."""
