"""Every bound of the centre in one place, with its reason."""

DAY_MS = 86_400_000

RECEIVE_MAXIMUM = 64
"""Unacknowledged messages a subscriber lets the broker send: bounds its queue to 64 batches (at most 64 MiB)."""

ROOM_MESSAGES = 4096
ROOM_BYTES = 64 * 1024 * 1024
"""What may wait of one urgency. More than the broker is asked for: Mosquitto 2.0 with a long queue sends more than its
Receive Maximum, and a centre that hung up on it each time would never hear of the present again."""

ROOM_MS = 20_000
"""How long a broker whose message finds no room is held back before we hang up: less than it waits for a word of us
(one and a half keep-alives of 20 s), more than a round takes."""

ROUND_MESSAGES = 64
"""Messages that share one store write and one ledger commit: what is waiting, never waited for."""

ROUND_READINGS = 100_000
"""Readings opened before a round is closed early, so that a few huge batches cannot fill the memory."""

WORK_OF_A_MESSAGE = 6_000
"""Rows that one message may ask for. A station sends at most 2,000 records in a batch, of which each touches at most an
hour and a block of contents, or tells something itself; its summaries count one row for eight series."""

SUMMARIES_A_ROW = 8
"""Summaries of single series that cost about as much as one row of the tally."""

WORK_BURST = 200_000
"""Rows that one station may ask for at once: twenty years of a reading an hour, or of one a minute."""

WORK_PER_S = 20
"""Rows a second that one station may go on asking for. A live batch asks for two; what backs up is a burst."""

LINES_BURST = 50_000
LINE_EVERY_MS = 10_000
"""New lines of one station, those that its openings, gaps and summaries name counted too: seventeen days of a restart
every minute at once, then three restarts a minute."""

OPENINGS_READ = 4096
"""Openings of one station that are looked at for a receipt, of the lines heard last: what is read for a message does
not grow with the years. With more lines than these, one of an earlier card is asked for in vain."""

RECEIPTS_ROUND = 64
"""Receipts stated between two rounds, besides those of the round."""

LINE_RANGES = 8192
"""Separate ranges the ledger keeps of one line. More holes than that wait until older ones are filled."""

LINES_SHOWN = 1000
"""Lines of one station that are listed at once, most recently heard first."""

EPOCH_DRAWN = 2**32
"""Out of how many the drawn part of an epoch comes: two restores by one wrong clock agree once in four billion."""

EPOCHS_SHOWN = 20
"""Latest epochs that are listed."""

RECALL_S = 10.0
"""How long the broker may be quiet while it hands this centre its own receipts back."""

RECALL_QUEUE = 256
"""Receipts read back that wait to be compared with the ledger, 4 KiB each."""

RECEIPT_LINES = 64
"""Lines a receipt considers; what the station sends now is always among them."""

RECEIPT_LINE_MS = 3_600_000
"""Lines that were last heard of so much earlier than the newest are not in every receipt: they travel over metered
links. A station that has just connected is told of them in turn."""

RECEIPT_LINES_IN_TURN = 4096
"""Lines of one station that are stated in turn, the newest: more openings than ten a day in a year."""

RECEIPT_PIECE = 40
"""Ranges of an older line that are stated together: at most 0.8 KiB, so that one always fits beside the newest."""

RECEIPT_FRAME_BYTES = 256
"""What a receipt has around its lines, its signature included."""

QUIET_MS = 90_000
"""A station that was not heard for so long, three heartbeats, has connected again and may have missed receipts."""

RECEIPT_RANGES = 200
"""Ranges of one line in a receipt, half from each end: about 2.2 KiB of the 4 KiB."""

ARRIVALS_KEPT_MS = 30 * DAY_MS
"""How long the arrival log keeps a batch after all followers have passed it."""

PRUNE_ROWS = 2000
"""Rows one pruning pass removes, so that no pass holds the database for long."""

EVENTS_PER_STATION = 5000
"""Events kept for people per station; the records themselves stay in the arrival log's time and the store."""

EVENT_DETAIL_CHARACTERS = 4000
"""Length of one event's further facts as JSON."""

STATES_PER_STATION = 2000
"""Names of states kept per station: a counter for each series that a station can have."""

STATE_ANSWER_EVERY_MS = 2_000
"""Shortest time between two answers to a station that asks for its states."""

QUARANTINE_ROWS = 10_000
"""Different refused messages kept."""

QUARANTINE_BYTES = 256 * 1024 * 1024
"""Bytes of refused messages kept; beyond it the oldest are dropped and counted."""

QUARANTINE_GONE_ROWS = 10_000
"""Messages that left the quarantine without being taken, of which a line is kept; the oldest are forgotten first."""

RETRY_ROUND = 8
"""Messages in quarantine that are admitted again in one round, so that what comes now does not wait."""

CARRIED_BYTES = 64 * 1024 * 1024
"""Of bundles that wait in the database to be taken; who imports more waits for room."""

CARRIED_COMMIT_BYTES = 4 * 1024 * 1024
"""Of a bundle that is put there in one commit, so that the book is not held for long."""

CARRIED_ROUND_BYTES = 16 * 1024
"""Of bundles that are taken in one round, or one larger batch (60,000 readings, a second), so that what comes now does
not wait."""

UNKNOWN_STATIONS = 1000
"""Unknown stations listed; the one not heard of for the longest is dropped first."""

FOLLOW_ENTRIES = ROUND_MESSAGES
"""Arrival log entries that a follower works off in one commit: what one round brought, so that a commit of ingest
costs one more of each follower and not several."""

FOLLOW_TRIES = 3
"""How often a follower tries an entry that its own code fails on, before it is set aside in quarantine."""

RECONNECT_MS_MAX = 5_000
"""Longest pause between two tries to reach the broker: it is near, and there is one centre, not a fleet."""

BACKOFF_CAP_S = 30.0
"""Longest pause between two tries of a store that is away."""

LATEST_EVERY_S = 1.0
"""Shortest time between two publications of one station's latest values."""

CONFLICTS_PER_NUMBER = 8
"""Further contents that are kept of one number: one more is an accident, many are a station gone mad."""

CONFLICTS_PER_STATION = 10_000
"""Further contents that are kept of one station, at most 64 KiB each."""

IN_TIME_MS = 600_000
"""A reading is in time when it is here within ten minutes of its observation (the sub-centre's target)."""

WANTED_AFTER_MS = 600_000
"""Connected time after which a number that is still in the station is asked for."""

CONNECTED_GAP_MS = 60_000
"""Between two words of a station so far apart it was not connected; it speaks every 30 s at the latest."""

WANTED_RANGES = 32
"""Ranges of one line that a receipt asks for."""

WANTED_LINES = 8
"""Lines of one station that a receipt asks for."""

CREDIT_BATCHES = 1
CREDIT_S = 30
"""What a receipt allows of backlog while the waiting room is more than half full."""

WHO_CHARACTERS = 100
WHY_CHARACTERS = 500
"""Length of the name of who answers, acknowledges or drops, and of the reason."""

STATION_CHANGES = 100
"""Earlier entries of the registry that are kept of one station."""

STATION_FILE_BYTES = 16 * 1024 * 1024
STATION_FILE_ROWS = 20_000
"""A table of stations that is believed; the whole country has some hundred thousand, a city some thousand."""
