"""The station: what happens to a reading before it leaves.

    acquire -> qualify -> journal -> forward == link ==> centre
                             ^                             |
                             +-------- receipts <----------+

New here? ``station.py`` builds every part and starts every task; ``cli.py`` is what technicians type.
Beside the stages: ``site`` and ``profile`` read what people have written, ``clock`` says what time it is and how well
that is known, ``remember`` carries over a restart what stages must not forget, ``field`` holds the commands of people
and ``talk`` how these speak.
"""
