"""The station: what happens to a reading before it leaves.

    acquire -> qualify -> journal -> forward == link ==> centre
                             ^                             |
                             +-------- receipts <----------+

New here? ``station.py`` builds every part and starts every task; ``cli.py`` is what technicians type.
"""
