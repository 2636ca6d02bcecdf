CREATE TABLE messages (
	id           BIGINT PRIMARY KEY,
	message_id   TEXT NOT NULL,               -- the published id: the same bytes of the same instrument
	revision     INTEGER NOT NULL,            -- 1, 2, …: decodings of these bytes that differ
	current      BOOLEAN NOT NULL,            -- true = the newest revision
	sequence     BIGINT NOT NULL,            -- in LAB_PARSED
	stored_at    TIMESTAMPTZ NOT NULL,        -- by the bus
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
	sent_at      TIMESTAMPTZ,
	received_at  TIMESTAMPTZ,
	raw_sequence BIGINT NOT NULL,            -- in LAB_RAW; 0 = unknown
	digest       TEXT NOT NULL,               -- of the content
	body         JSON NOT NULL,               -- the JSON as published
	UNIQUE (message_id, revision)
);
CREATE INDEX messages_by_instrument ON messages (instrument, received_at);
CREATE INDEX messages_by_raw ON messages (raw_sequence);

CREATE TABLE results (
	message             BIGINT NOT NULL REFERENCES messages ON DELETE CASCADE,
	item                INTEGER NOT NULL,     -- counts the results of the message from 1
	revision            INTEGER NOT NULL,     -- of the message
	current             BOOLEAN NOT NULL,     -- true = of the newest revision, and not corrected
	corrected_by        BIGINT,               -- the message whose status C replaced this one
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
	number              DOUBLE PRECISION,     -- when the text is a number
	comparator          TEXT,                 -- < > <= >=
	units               TEXT,
	range               TEXT,
	flags               TEXT,                 -- separated by commas
	status              TEXT,                 -- F final, P preliminary, C corrected, X failed …
	supplementary       BOOLEAN NOT NULL,     -- true = not a reportable result
	observed_at         TIMESTAMPTZ,          -- when the instrument gave a time
	observed_text       TEXT,                 -- with the instrument's offset; may be a date
	received_at         TIMESTAMPTZ,
	operator            TEXT,
	equipment           TEXT,
	comments            TEXT,                 -- one a line
	raw_sequence        BIGINT NOT NULL,
	PRIMARY KEY (message, item)
);
CREATE INDEX results_by_specimen ON results (specimen, code) WHERE specimen IS NOT NULL;
CREATE INDEX results_by_instrument ON results (instrument, received_at);

CREATE TABLE orders (
	message             BIGINT NOT NULL REFERENCES messages ON DELETE CASCADE,
	item                INTEGER NOT NULL,
	revision            INTEGER NOT NULL,
	current             BOOLEAN NOT NULL,
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
	requested_at        TIMESTAMPTZ,
	collected_at        TIMESTAMPTZ,
	received_at         TIMESTAMPTZ,
	comments            TEXT,
	raw_sequence        BIGINT NOT NULL,
	PRIMARY KEY (message, item)
);
CREATE INDEX orders_by_specimen ON orders (specimen) WHERE specimen IS NOT NULL;

CREATE TABLE queries (
	message      BIGINT NOT NULL REFERENCES messages ON DELETE CASCADE,
	item         INTEGER NOT NULL,
	revision     INTEGER NOT NULL,
	current      BOOLEAN NOT NULL,
	site         TEXT NOT NULL,
	instrument   TEXT NOT NULL,
	specimens    TEXT,                        -- separated by commas
	specimen_to  TEXT,                        -- end of a range of ids
	patient      TEXT,
	tests        TEXT,                        -- separated by commas
	wants_all    BOOLEAN NOT NULL,
	status       TEXT,
	tag          TEXT,
	name         TEXT,
	period_from  TEXT,
	period_until TEXT,
	received_at  TIMESTAMPTZ,
	raw_sequence BIGINT NOT NULL,
	PRIMARY KEY (message, item)
);

CREATE TABLE failures (
	id           TEXT PRIMARY KEY,
	message_id   TEXT NOT NULL,               -- of the message that a replay may make of it
	sequence     BIGINT NOT NULL,            -- in LAB_PARSED
	stored_at    TIMESTAMPTZ NOT NULL,
	subject      TEXT NOT NULL,
	site         TEXT NOT NULL,
	instrument   TEXT NOT NULL,
	protocol     TEXT,
	reason       TEXT NOT NULL,
	error        TEXT NOT NULL,
	record       INTEGER NOT NULL,            -- where, when known; 0 = not
	field        INTEGER NOT NULL,
	bytes        INTEGER NOT NULL,
	received_at  TIMESTAMPTZ,
	raw_sequence BIGINT NOT NULL
);
CREATE INDEX failures_by_instrument ON failures (instrument, received_at);
