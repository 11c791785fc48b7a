-- batches that came in bundles, until the worker of the running centre has taken them; their rows go once their
-- records are durable
CREATE TABLE carried (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    station TEXT NOT NULL,
    size INTEGER NOT NULL,
    data BLOB NOT NULL
)
