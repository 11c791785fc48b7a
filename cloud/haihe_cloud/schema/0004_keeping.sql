-- which epochs this ledger has had, and why each was begun
CREATE TABLE epoch (
    epoch INTEGER NOT NULL UNIQUE,
    since_ms INTEGER NOT NULL,
    cause TEXT NOT NULL
);
-- when somebody asked that a message be admitted again, until the worker has tried; and when it last has
ALTER TABLE quarantine ADD COLUMN asked_ms INTEGER;
ALTER TABLE quarantine ADD COLUMN tried_ms INTEGER;
CREATE INDEX quarantine_asked ON quarantine(id) WHERE asked_ms IS NOT NULL;
-- what left the quarantine without being taken, and why; the bytes are gone
CREATE TABLE quarantine_gone (
    id INTEGER NOT NULL UNIQUE,
    topic TEXT NOT NULL,
    station TEXT NOT NULL,
    reason TEXT NOT NULL,
    size INTEGER NOT NULL,
    first_ms INTEGER NOT NULL,
    gone_ms INTEGER NOT NULL,
    why TEXT NOT NULL
)
