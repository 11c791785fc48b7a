"""The site: one station as its file describes it, checked as a whole before anything starts."""

from .loading import load_site
from .plan import Bus, Centre, Instrument, JournalPlan, Level, Site, SiteSeries
from .written import GnssBus, SerialBus, Station, TcpBus

__all__ = [
    "load_site",
    "Site",
    "SiteSeries",
    "Station",
    "Bus",
    "SerialBus",
    "TcpBus",
    "GnssBus",
    "Instrument",
    "Level",
    "JournalPlan",
    "Centre",
]
