-- What outsiders may hear of, in order: written in the commit of the journal rows that it tells of, and derivable from the
-- journal alone. The oldest rows are pruned: what is left is always the end of what the journal gives. `client` is whose
-- withdrawal it is about, if it is about one of a client's.
CREATE TABLE feed (
    vault TEXT NOT NULL,
    seq BIGINT NOT NULL,
    journal_seq BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    type TEXT NOT NULL,
    subject TEXT NOT NULL,
    withdrawal TEXT,
    client TEXT,
    document TEXT NOT NULL,
    PRIMARY KEY (vault, seq)
);

-- How far each webhook endpoint is: all of the feed up to `taken` was delivered, was not for it, or is in the table below.
-- `replays` counts the times that somebody put rows there by hand; `disabled_ms` is when it wanted no more, or 0. No projection:
-- it says what the outside answered.
CREATE TABLE webhook_endpoints (
    vault TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    taken BIGINT NOT NULL,
    replays BIGINT NOT NULL,
    disabled_ms BIGINT NOT NULL,
    PRIMARY KEY (vault, endpoint)
);

-- What an endpoint was not told yet though it is up to `taken` (`due`), or was not told in the end (`given_up`). Delivered rows are
-- deleted. Of the rows that are due in one lane only the first is tried: a lane is a withdrawal, or whatever else an event is
-- about.
CREATE TABLE webhook_deliveries (
    vault TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    seq BIGINT NOT NULL,
    lane TEXT NOT NULL,
    state TEXT NOT NULL,
    failures BIGINT NOT NULL,
    since_ms BIGINT NOT NULL,
    next_ms BIGINT NOT NULL,
    fault TEXT,
    PRIMARY KEY (vault, endpoint, seq)
);
