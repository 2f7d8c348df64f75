//! The feed: what outsiders may hear of a vault, in order. One row for each change that somebody cares about, derived from the
//! journal's events alone and written in the commit of the events that it tells of. Streams ([`crate::http`]) and webhooks
//! ([`crate::webhooks`]) are read from it.

mod document;
mod keep;
mod live;
mod notice;
mod stream;
mod teller;

pub use document::envelope;
pub use keep::{keep_within, prune_chunk};
pub use live::{Announcer, Feed};
pub use stream::{Audience, Follower, Frames, Refusal, follow};
pub use teller::Teller;

pub use crate::store::FeedRow;
