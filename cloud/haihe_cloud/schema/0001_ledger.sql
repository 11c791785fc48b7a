CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;

-- series numbers of lines; lines of one site file share one row
CREATE TABLE dictionary (
    id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    body BLOB NOT NULL
);

-- line ids have 64 bits without sign, which SQLite has not: 16 hex digits; ranges are packed (ledger/packed.py)
CREATE TABLE line (
    station TEXT NOT NULL,
    line TEXT NOT NULL,
    head INTEGER NOT NULL,
    tail INTEGER NOT NULL,
    held BLOB NOT NULL,
    refused BLOB NOT NULL,
    gaps BLOB NOT NULL,
    dictionary INTEGER REFERENCES dictionary(id),
    first_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    PRIMARY KEY (station, line)
) WITHOUT ROWID;

CREATE INDEX line_recent ON line(station, last_ms);

CREATE TABLE heard (
    station TEXT PRIMARY KEY,
    received_ms INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE arrival (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    station TEXT NOT NULL,
    line TEXT NOT NULL,
    lane INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    data BLOB NOT NULL
);

CREATE TABLE follower (
    name TEXT PRIMARY KEY,
    position INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE event (
    station TEXT NOT NULL,
    line TEXT NOT NULL,
    number INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    grade INTEGER NOT NULL,
    kind TEXT NOT NULL,
    series TEXT NOT NULL,
    value REAL,
    detail TEXT NOT NULL,
    received_ms INTEGER NOT NULL,
    PRIMARY KEY (station, line, number)
) WITHOUT ROWID;

CREATE INDEX event_recent ON event(received_ms);

CREATE INDEX event_of_station ON event(station, received_ms);

CREATE TABLE quarantine (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    digest BLOB NOT NULL UNIQUE,
    topic TEXT NOT NULL,
    station TEXT NOT NULL,
    reason TEXT NOT NULL,
    times INTEGER NOT NULL,
    first_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    size INTEGER NOT NULL,
    data BLOB NOT NULL
);

CREATE TABLE station (
    code TEXT PRIMARY KEY,
    body TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE unknown_station (
    code TEXT PRIMARY KEY,
    topic TEXT NOT NULL,
    times INTEGER NOT NULL,
    first_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL
) WITHOUT ROWID;
