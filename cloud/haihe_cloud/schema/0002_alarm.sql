CREATE TABLE alarm (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  sequence INTEGER NOT NULL UNIQUE,
  track INTEGER NOT NULL,
  station TEXT NOT NULL,
  rule TEXT NOT NULL,
  title_zh TEXT NOT NULL,
  title_en TEXT NOT NULL,
  level TEXT NOT NULL,
  severity TEXT NOT NULL,
  series TEXT NOT NULL,
  element TEXT NOT NULL,
  datum TEXT NOT NULL,
  threshold REAL NOT NULL,
  started_ms INTEGER NOT NULL,
  raised_ms INTEGER NOT NULL,
  peak REAL,
  peak_ms INTEGER,
  peak_flag INTEGER,
  ended_ms INTEGER,
  late INTEGER NOT NULL,
  unverified INTEGER NOT NULL,
  void INTEGER NOT NULL,
  merged_into INTEGER,
  amended TEXT NOT NULL,
  answered_by TEXT,
  answered_ms INTEGER,
  note TEXT NOT NULL
);
CREATE INDEX alarm_active ON alarm(station, rule) WHERE ended_ms IS NULL;
CREATE INDEX alarm_station ON alarm(station, id);
CREATE INDEX alarm_track_end ON alarm(track, ended_ms);
CREATE TABLE alarm_answer (
  alarm INTEGER NOT NULL REFERENCES alarm(id),
  position INTEGER NOT NULL,
  who TEXT NOT NULL,
  time_ms INTEGER NOT NULL,
  note TEXT NOT NULL,
  PRIMARY KEY (alarm, position)
) WITHOUT ROWID;
CREATE TABLE alarm_track (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  rule TEXT NOT NULL,
  station TEXT NOT NULL,
  series TEXT NOT NULL,
  threshold TEXT NOT NULL,
  waiting_from_ms INTEGER,
  waiting_to_ms INTEGER,
  UNIQUE (rule, station, series)
);
CREATE TABLE alarm_snapshot (
  track INTEGER NOT NULL REFERENCES alarm_track(id) ON DELETE CASCADE,
  at_ms INTEGER NOT NULL,
  state BLOB NOT NULL,
  PRIMARY KEY (track, at_ms)
) WITHOUT ROWID;
CREATE TABLE alarm_at_arrival (
  track INTEGER NOT NULL REFERENCES alarm_track(id) ON DELETE CASCADE,
  time_ms INTEGER NOT NULL,
  value REAL NOT NULL,
  PRIMARY KEY (track, time_ms)
) WITHOUT ROWID;
CREATE TABLE alarm_unordered (
  station TEXT NOT NULL,
  line TEXT NOT NULL,
  last_ms INTEGER NOT NULL,
  ranges BLOB NOT NULL,
  PRIMARY KEY (station, line)
) WITHOUT ROWID;
CREATE TABLE alarm_known (
  station TEXT PRIMARY KEY,
  since_ms INTEGER NOT NULL
) WITHOUT ROWID;
