-- digests of the contents of held records: 4 bytes a number, 256 numbers a row (ledger/content.py)
CREATE TABLE content (
    station TEXT NOT NULL,
    line TEXT NOT NULL,
    block INTEGER NOT NULL,
    digests BLOB NOT NULL,
    PRIMARY KEY (station, line, block)
) WITHOUT ROWID;

-- further contents of numbers that are held with another one
CREATE TABLE content_conflict (
    station TEXT NOT NULL,
    line TEXT NOT NULL,
    number INTEGER NOT NULL,
    digest INTEGER NOT NULL,
    record BLOB NOT NULL,
    times INTEGER NOT NULL,
    first_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    PRIMARY KEY (station, line, number, digest)
) WITHOUT ROWID;

CREATE INDEX content_conflict_recent ON content_conflict(last_ms);

CREATE TABLE volatile_line (
    station TEXT NOT NULL,
    line TEXT NOT NULL,
    first_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    PRIMARY KEY (station, line)
) WITHOUT ROWID;

CREATE TABLE opening (
    station TEXT NOT NULL,
    line TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    grade INTEGER NOT NULL,
    boot TEXT NOT NULL,
    previous TEXT NOT NULL,
    previous_last INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    PRIMARY KEY (station, line)
) WITHOUT ROWID;

CREATE INDEX opening_of_boot ON opening(station, boot);

CREATE TABLE duty (
    station TEXT NOT NULL,
    line TEXT NOT NULL,
    number INTEGER NOT NULL,
    periods BLOB NOT NULL,
    PRIMARY KEY (station, line)
) WITHOUT ROWID;

-- of which seconds of an hour there are readings (ledger/tally.py)
CREATE TABLE tally (
    station TEXT NOT NULL,
    hour INTEGER NOT NULL,
    line TEXT NOT NULL,
    lowest INTEGER NOT NULL,
    highest INTEGER NOT NULL,
    seen BLOB NOT NULL,
    PRIMARY KEY (station, hour, line)
) WITHOUT ROWID;

CREATE INDEX tally_of_line ON tally(station, line, hour);

-- what gap and summary records say of numbers; teller and number name the record
CREATE TABLE told_gap (
    station TEXT NOT NULL,
    line TEXT NOT NULL,
    teller TEXT NOT NULL,
    number INTEGER NOT NULL,
    cause TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    ranges BLOB NOT NULL,
    PRIMARY KEY (station, line, teller, number)
) WITHOUT ROWID;

CREATE TABLE summary (
    station TEXT NOT NULL,
    line TEXT NOT NULL,
    number INTEGER NOT NULL,
    about TEXT NOT NULL,
    series TEXT NOT NULL,
    boot_time INTEGER NOT NULL,
    first_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (station, line, number, series, boot_time)
) WITHOUT ROWID;

CREATE INDEX summary_of_time ON summary(station, series, last_ms);

CREATE INDEX summary_about ON summary(station, about);

CREATE TABLE time_fix (
    station TEXT NOT NULL,
    line TEXT NOT NULL,
    number INTEGER NOT NULL,
    boot TEXT NOT NULL,
    offset_ms INTEGER NOT NULL,
    error_ms INTEGER NOT NULL,
    grade INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    PRIMARY KEY (station, line, number)
) WITHOUT ROWID;

-- the fix that moves the rows of a boot: the first that came, for ever
CREATE TABLE boot_time (
    station TEXT NOT NULL,
    boot TEXT NOT NULL,
    line TEXT NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (station, boot)
) WITHOUT ROWID;

-- every body that a station had in the registry, and when it got it
CREATE TABLE station_change (
    code TEXT NOT NULL,
    changed_ms INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (code, changed_ms)
) WITHOUT ROWID;
