//! Amounts, addresses, transaction plans, digests and independent decoding.
