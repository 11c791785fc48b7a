-- who has taken note of what must not be about the numbers of a station, when, and why it may stand
CREATE TABLE acknowledgement (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    station TEXT NOT NULL,
    who TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    why TEXT NOT NULL
);

CREATE INDEX acknowledgement_of_station ON acknowledgement(station, id);

-- mark: what makes a trouble of the same place another one (ledger/missing.py)
CREATE TABLE acknowledged_trouble (
    station TEXT NOT NULL,
    kind TEXT NOT NULL,
    line TEXT NOT NULL,
    number INTEGER NOT NULL,
    mark TEXT NOT NULL,
    acknowledgement INTEGER NOT NULL,
    PRIMARY KEY (station, kind, line, number, mark)
) WITHOUT ROWID;

-- lost numbers of a line, packed ranges; an acknowledgement holds those that none before it has
CREATE TABLE acknowledged_loss (
    station TEXT NOT NULL,
    line TEXT NOT NULL,
    acknowledgement INTEGER NOT NULL,
    ranges BLOB NOT NULL,
    PRIMARY KEY (station, line, acknowledgement)
) WITHOUT ROWID;
