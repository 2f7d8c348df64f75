-- Which wallet pays, to list by; and where a payout stands in the queue of those who are asked about it: `asked` names them,
-- each between two spaces, and is null for a payout that waits for nobody; the lowest rank comes first, of equal ones the
-- oldest. Projections like the rest of the row. The queue's index holds all that a page of it is chosen by: only what waits
-- is in it, and no row is read for somebody else's payout.
ALTER TABLE withdrawals ADD COLUMN wallet TEXT NOT NULL DEFAULT '';
ALTER TABLE withdrawals ADD COLUMN asked TEXT;
ALTER TABLE withdrawals ADD COLUMN queue_rank BIGINT NOT NULL DEFAULT 0;
CREATE INDEX withdrawals_queue ON withdrawals (vault, queue_rank, created_seq, id, asked) WHERE asked IS NOT NULL;
CREATE INDEX withdrawals_by_wallet ON withdrawals (vault, wallet, created_seq, id, state);
