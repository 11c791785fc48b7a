"""The site: one station as its file describes it, checked as a whole before anything starts."""

from .digital import Contact, ContactLine, GpioBus, Output, OutputLine, Rain, RainLine, Wiring
from .loading import load_site
from .plan import Allowance, Bus, Centre, CounterRain, Instrument, JournalPlan, Level, Recall, Site, SiteSeries
from .spoken import AsciiBus, Sdi12Bus
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
    "GpioBus",
    "AsciiBus",
    "Sdi12Bus",
    "Wiring",
    "Rain",
    "RainLine",
    "Contact",
    "ContactLine",
    "Output",
    "OutputLine",
    "CounterRain",
    "Instrument",
    "Recall",
    "Level",
    "JournalPlan",
    "Centre",
    "Allowance",
]
