-- the latest state of each name that a station has recorded, for a new card (haihe-edge init --restore)
CREATE TABLE station_state (
    station TEXT NOT NULL,
    name TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    line TEXT NOT NULL,
    number INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    grade INTEGER NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (station, name)
) WITHOUT ROWID;
