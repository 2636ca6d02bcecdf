CREATE TABLE messages (
	id           INTEGER PRIMARY KEY,
	message_id   TEXT NOT NULL,               -- the published id: the same bytes of the same instrument
	revision     INTEGER NOT NULL,            -- 1, 2, …: decodings of these bytes that differ
	current      INTEGER NOT NULL,            -- 1 = the newest revision
	sequence     INTEGER NOT NULL,            -- in LAB_PARSED
	stored_at    TEXT NOT NULL,               -- by the bus; times are UTC, 2026-11-23T06:36:01.123456Z
	replay       TEXT,                        -- the run that published it again
	site         TEXT NOT NULL,
	instrument   TEXT NOT NULL,
	protocol     TEXT NOT NULL,
	kind         TEXT NOT NULL,               -- result, query, order, qc, ack, other
	type         TEXT,
	version      TEXT,
	control_id   TEXT,
	sender       TEXT,
	processing   TEXT,
	sent_at      TEXT,
	received_at  TEXT,
	raw_sequence INTEGER NOT NULL,            -- in LAB_RAW; 0 = unknown
	digest       TEXT NOT NULL,               -- of the content
	body         TEXT NOT NULL,               -- the JSON as published
	UNIQUE (message_id, revision)
) STRICT;
CREATE INDEX messages_by_instrument ON messages (instrument, received_at);
CREATE INDEX messages_by_raw ON messages (raw_sequence);

CREATE TABLE results (
	message             INTEGER NOT NULL REFERENCES messages ON DELETE CASCADE,
	item                INTEGER NOT NULL,     -- counts the results of the message from 1
	revision            INTEGER NOT NULL,     -- of the message
	current             INTEGER NOT NULL,     -- 1 = of the newest revision, and not corrected
	corrected_by        INTEGER,              -- the message whose status C replaced this one
	kind                TEXT NOT NULL,        -- result, or qc for a control
	processing          TEXT,                 -- production, training, debugging, qc
	site                TEXT NOT NULL,
	instrument          TEXT NOT NULL,
	specimen            TEXT,
	instrument_specimen TEXT,
	patient             TEXT,
	code                TEXT,
	code_system         TEXT,
	name                TEXT,
	aspect              TEXT NOT NULL,
	value               TEXT,                 -- the instrument's text
	value_type          TEXT,
	number              REAL,                 -- when the text is a number
	comparator          TEXT,                 -- < > <= >=
	units               TEXT,
	range               TEXT,
	flags               TEXT,                 -- separated by commas
	status              TEXT,                 -- F final, P preliminary, C corrected, X failed …
	supplementary       INTEGER NOT NULL,     -- 1 = not a reportable result
	observed_at         TEXT,                 -- UTC, when the instrument gave a time
	observed_text       TEXT,                 -- with the instrument's offset; may be a date
	received_at         TEXT,
	operator            TEXT,
	equipment           TEXT,
	comments            TEXT,                 -- one a line
	raw_sequence        INTEGER NOT NULL,
	PRIMARY KEY (message, item)
) STRICT, WITHOUT ROWID;
CREATE INDEX results_by_specimen ON results (specimen, code) WHERE specimen IS NOT NULL;
CREATE INDEX results_by_instrument ON results (instrument, received_at);

CREATE TABLE orders (
	message             INTEGER NOT NULL REFERENCES messages ON DELETE CASCADE,
	item                INTEGER NOT NULL,
	revision            INTEGER NOT NULL,
	current             INTEGER NOT NULL,
	kind                TEXT NOT NULL,
	site                TEXT NOT NULL,
	instrument          TEXT NOT NULL,
	specimen            TEXT,
	instrument_specimen TEXT,
	placer              TEXT,
	filler              TEXT,
	patient             TEXT,
	rack                TEXT,                 -- position on the instrument
	tests               TEXT,                 -- separated by commas
	priority            TEXT,
	action              TEXT,
	status              TEXT,
	material            TEXT,
	role                TEXT,
	requested_at        TEXT,
	collected_at        TEXT,
	received_at         TEXT,
	comments            TEXT,
	raw_sequence        INTEGER NOT NULL,
	PRIMARY KEY (message, item)
) STRICT, WITHOUT ROWID;
CREATE INDEX orders_by_specimen ON orders (specimen) WHERE specimen IS NOT NULL;

CREATE TABLE queries (
	message      INTEGER NOT NULL REFERENCES messages ON DELETE CASCADE,
	item         INTEGER NOT NULL,
	revision     INTEGER NOT NULL,
	current      INTEGER NOT NULL,
	site         TEXT NOT NULL,
	instrument   TEXT NOT NULL,
	specimens    TEXT,                        -- separated by commas
	specimen_to  TEXT,                        -- end of a range of ids
	patient      TEXT,
	tests        TEXT,                        -- separated by commas
	wants_all    INTEGER NOT NULL,
	status       TEXT,
	tag          TEXT,
	name         TEXT,
	period_from  TEXT,
	period_until TEXT,
	received_at  TEXT,
	raw_sequence INTEGER NOT NULL,
	PRIMARY KEY (message, item)
) STRICT, WITHOUT ROWID;

CREATE TABLE failures (
	id           TEXT PRIMARY KEY,
	message_id   TEXT NOT NULL,               -- of the message that a replay may make of it
	sequence     INTEGER NOT NULL,            -- in LAB_PARSED
	stored_at    TEXT NOT NULL,
	subject      TEXT NOT NULL,
	site         TEXT NOT NULL,
	instrument   TEXT NOT NULL,
	protocol     TEXT,
	reason       TEXT NOT NULL,
	error        TEXT NOT NULL,
	record       INTEGER NOT NULL,            -- where, when known; 0 = not
	field        INTEGER NOT NULL,
	bytes        INTEGER NOT NULL,
	received_at  TEXT,
	raw_sequence INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX failures_by_instrument ON failures (instrument, received_at);
