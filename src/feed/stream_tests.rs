//! Followers of a feed that has no engine behind it.
