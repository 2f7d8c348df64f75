//! Why a policy was refused: one line, with where and with what to write instead.

use std::fmt;

use custodyd_chain::{Amount, AmountError, Asset};

use crate::duration::{DurationError, Span};
use crate::facts::Tier;
use crate::fiat::{Currency, FiatError};
use crate::governance::ChangeKind;
use crate::ids::{CalendarId, GroupId, LimitId, OperatorId, OrganisationId, Quoted, RuleId};
use crate::zone::ZoneError;

/// The longest policy, in bytes.
pub const MAX_POLICY_BYTES: usize = 256 * 1024;

/// A policy that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyError {
    /// The line it was refused for, counted from 1, if it is about one.
    pub line: Option<usize>,
    /// Why.
    pub fault: Box<PolicyFault>,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        write!(f, "{}", self.fault)
    }
}

impl std::error::Error for PolicyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(self.fault.as_ref())
    }
}

/// The part of a policy that a fault is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A rule.
    Rule(RuleId),
    /// A limit.
    Limit(LimitId),
    /// The floor of a tier.
    Tier(Tier),
    /// What a tier should hold of an asset, in `[[treasury]]`.
    Treasury(Asset, Tier),
    /// `[approvals]`
    Approvals,
    /// `[destinations]`
    Destinations,
    /// `[fiat]`
    Fiat,
    /// `unfreeze` of `[governance]`
    Governance,
    /// A claim about the policy.
    Claim(RuleId),
    /// `floor` of `[governance]`
    GovernanceFloor,
    /// `default` of `[governance.changes]`
    ChangeDefault,
    /// One kind of `[governance.changes]`
    Change(ChangeKind),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(id) => write!(f, "rule \"{id}\""),
            Self::Limit(id) => write!(f, "limit \"{id}\""),
            Self::Tier(tier) => write!(f, "tiers.{tier}"),
            Self::Treasury(asset, tier) => write!(f, "treasury {asset} {tier}"),
            Self::Approvals => f.write_str("approvals"),
            Self::Fiat => f.write_str("fiat"),
            Self::Destinations => f.write_str("destinations"),
            Self::Governance => f.write_str("governance.unfreeze"),
            Self::Claim(id) => write!(f, "claim \"{id}\""),
            Self::GovernanceFloor => f.write_str("governance.floor"),
            Self::ChangeDefault => f.write_str("governance.changes.default"),
            Self::Change(kind) => write!(f, "governance.changes.{kind}"),
        }
    }
}

/// What is wrong with a policy.
// Each field is named for what it holds; the messages say the rest.
#[allow(missing_docs)]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyFault {
    #[error(
        "the policy is empty, and nothing would be allowed; begin with `version = 1`, [groups], [governance] and an allow rule"
    )]
    Empty,
    #[error("the policy has {bytes} bytes; at most {MAX_POLICY_BYTES} are read")]
    TooLarge { bytes: usize },
    /// Not TOML, nested too deeply, a key that is unknown or missing, or a value of the wrong type.
    #[error("{message}")]
    Syntax { message: String },
    #[error("version {found} is unknown; write `version = 1`")]
    Version { found: i64 },

    #[error("group \"{group}\" has nobody in it; name its operators or remove it")]
    EmptyGroup { group: GroupId },
    #[error("group \"{group}\" names {operator} twice; one person counts once")]
    DuplicateMember {
        group: GroupId,
        operator: OperatorId,
    },
    #[error("{place}: there is no group \"{group}\"; add it to [groups], or write one of: {known}")]
    UnknownGroup {
        place: Place,
        group: GroupId,
        known: String,
    },
    #[error(
        "{place}: a quorum of zero of \"{group}\" asks for nobody; write at least 1, or remove it"
    )]
    ZeroQuorum { place: Place, group: GroupId },
    #[error(
        "{place}: a quorum of {quorum} of \"{group}\", which has {members}; write at most {members}, or add people to the group"
    )]
    QuorumAboveGroup {
        place: Place,
        group: GroupId,
        quorum: u32,
        members: usize,
    },
    #[error(
        "destinations.look_alike: prefix and suffix are 0 to {most} characters, together at least {least}; write for example {{ prefix = 4, suffix = 4 }}"
    )]
    LookAlike { least: u8, most: u8 },
    #[error("destinations.probe: times is 2 to {most}; write for example times = 10")]
    ProbeTimes { most: u64 },
    #[error("destinations.{key} is at most {most}")]
    DestinationsTooLong { key: &'static str, most: Span },
    #[error(
        "destinations.screening: required_for is a list of \"known\", \"new\" and \"own\" that is not empty; a blocked destination is denied unasked"
    )]
    ScreeningClasses,
    #[error("{place}: group \"{group}\" is required twice; write it once, with the higher quorum")]
    GroupTwice { place: Place, group: GroupId },
    #[error("{place}: \"{part}\" is written twice in one list; write it once")]
    RequirementTwice { place: Place, part: String },
    #[error(
        "{place}: a requirement is one of {{ group = \"…\", quorum = 2 }}, {{ any_of = […] }} and {{ all_of = […] }}; write each by itself"
    )]
    RequirementForm { place: Place },
    #[error("{place}: any_of and all_of stand in each other more than 4 deep; write fewer")]
    RequirementTooDeep { place: Place },
    #[error("{place}: the list names {found} quorums; write at most 32")]
    TooManyQuorums { place: Place, found: usize },
    #[error(
        "{place}: there are more than 256 ways to meet it, or more than 1024 to meet all that the policy asks for, too many for anybody to keep in mind; write fewer alternatives"
    )]
    TooManyWays { place: Place },
    #[error(
        "{place}: {organisations} organisations for a quorum of {quorum}; write from 1 to {quorum}, or leave `organisations` out"
    )]
    OrganisationsOutOfRange {
        place: Place,
        organisations: u32,
        quorum: u32,
    },
    #[error(
        "{place}: {organisations} organisations, and the people of \"{group}\" belong to {represented}; name them in [organisations], or write fewer"
    )]
    OrganisationsAboveGroup {
        place: Place,
        group: GroupId,
        organisations: u32,
        represented: usize,
    },
    #[error("organisation \"{organisation}\" has nobody in it; name its operators or remove it")]
    EmptyOrganisation { organisation: OrganisationId },
    #[error(
        "organisation \"{organisation}\" names {operator}, who is in no group; add them to a group, or remove them"
    )]
    OutsideGroups {
        organisation: OrganisationId,
        operator: OperatorId,
    },
    #[error(
        "organisation \"{organisation}\" names {operator}, who is named in \"{other}\"; one person belongs to one organisation, once"
    )]
    TwoOrganisations {
        organisation: OrganisationId,
        operator: OperatorId,
        other: OrganisationId,
    },
    #[error("the groups name more than 256 operators; write at most 256")]
    TooManyOperators,
    #[error(
        "{place}: write either `group` and `quorum`, or `require`, for example {{ require = [{{ group = \"treasury\", quorum = 2 }}] }}"
    )]
    FloorForm { place: Place },
    #[error(
        "{place}: {require} cannot be met, because one person counts once and the groups overlap; lower a quorum, or add people"
    )]
    QuorumsOverlap { place: Place, require: String },
    #[error(
        "{place}: an empty list of requirements; write for example [{{ group = \"security\", quorum = 2 }}]"
    )]
    NoRequirements { place: Place },
    #[error(
        "rule \"{rule}\" can allow a {tier} withdrawal without any approval; add `[tiers]` with `{tier} = {{ group = \"…\", quorum = 2 }}`, or limit the rule by `tier`"
    )]
    TierWithoutFloor { rule: RuleId, tier: Tier },

    #[error(
        "governance.floor: zero people would let anybody change anything; write at least people = 1, or remove `people` for 2"
    )]
    FloorOfNobody,
    #[error(
        "{place}: {require} can be {people} in all, and governance.floor asks for {floor}; raise a quorum, or add a group"
    )]
    ChangeByTooFew {
        place: Place,
        require: String,
        people: u64,
        floor: u32,
    },
    #[error(
        "{place}: governance.floor asks for a delay of {floor}; write at least delay = \"{floor}\""
    )]
    ChangeTooSoon { place: Place, floor: String },

    #[error(
        "no rule with effect = \"allow\"; everything would be denied, for which there is the freeze"
    )]
    NothingAllowed,
    #[error("rule id \"{id}\" is used before, on line {first}; give each rule an id of its own")]
    DuplicateRule { id: RuleId, first: usize },
    #[error("limit id \"{id}\" is used before, on line {first}; give each limit an id of its own")]
    DuplicateLimit { id: LimitId, first: usize },
    #[error(
        "{place}: a deny rule has no `{key}`, nothing can overcome it; remove `{key}`, or write effect = \"require\""
    )]
    DenyAsks { place: Place, key: &'static str },
    #[error("{place}: effect = \"require\" asks for nothing; add `require` or `hold`")]
    RequiresNothing { place: Place },

    #[error(
        "{place}: `{field}` is an empty list, so it can never match; name something, or remove `{field}`"
    )]
    EmptyList { place: Place, field: &'static str },
    #[error("{place}: `{field}` names {value} twice; name it once")]
    DuplicateInList {
        place: Place,
        field: &'static str,
        value: String,
    },
    #[error("{place}: `{key}` = {found} has no unit; write for example \"{example}\"")]
    AmountWithoutUnit {
        place: Place,
        key: &'static str,
        found: Quoted,
        example: String,
    },
    #[error("{place}: `{key}`: {error}")]
    Amount {
        place: Place,
        key: &'static str,
        error: AmountError,
    },
    #[error("{place}: `{field}` has no bound; write `above`, `at_most` or both")]
    NoBound { place: Place, field: &'static str },
    #[error("{place}: `above` is in {above} and `at_most` in {at_most}; write both in one asset")]
    MixedBounds {
        place: Place,
        above: String,
        at_most: String,
    },
    #[error(
        "{place}: `{field}`: no amount is above {above} and at most {at_most}, so it can never match; write `above` below `at_most`"
    )]
    EmptyRange {
        place: Place,
        field: &'static str,
        above: String,
        at_most: String,
    },
    #[error(
        "{place}: an amount in {asset} never matches another asset; write asset = [\"{asset}\"], or remove `asset`"
    )]
    AssetNeverMatches { place: Place, asset: Asset },
    #[error(
        "{place}: blocked destinations are always denied, so it can never match; name another class as well, or remove it"
    )]
    OnlyBlocked { place: Place },
    #[error(
        "{place}: what goes from a cold wallet to a hot one directly is always denied; name another tier as well, or remove it"
    )]
    OnlyColdToHot { place: Place },
    #[error("{place}: {why}, so it can never match; change or remove one of the two")]
    NeverMatches { place: Place, why: &'static str },

    #[error(
        "{place}: `{key}` is in fiat, and the policy names no currency; add for example [fiat] with currency = \"USD\""
    )]
    NoFiatTerms { place: Place, key: &'static str },
    #[error(
        "{place}: `{key}` is in {found}, and the policy's currency is {wanted}; write it in {wanted}"
    )]
    OtherCurrency {
        place: Place,
        key: &'static str,
        found: Currency,
        wanted: Currency,
    },
    #[error("{place}: `{key}`: {error}")]
    Fiat {
        place: Place,
        key: &'static str,
        error: FiatError,
    },
    #[error(
        "fiat: {currency} is an asset here, so amounts in it would have two meanings; name another currency"
    )]
    CurrencyIsAsset { currency: Currency },

    #[error("{place}: `{key}`: {error}")]
    Duration {
        place: Place,
        key: &'static str,
        error: DurationError,
    },
    #[error(
        "{place}: `{key}` = {found} is no time of day; write \"HH:MM\", from \"00:00\" to \"24:00\""
    )]
    Clock {
        place: Place,
        key: &'static str,
        found: Quoted,
    },
    #[error(
        "{place}: `from` and `to` are the same, so it can never match; for whole days write from = \"00:00\", to = \"24:00\""
    )]
    EmptyHours { place: Place },
    #[error("{place}: utc_offset_minutes = {found} is no offset; write minutes from -720 to 840")]
    UtcOffset { place: Place, found: i64 },
    #[error("{place}: `time_zone` and `utc_offset_minutes` are two clocks; write one of them")]
    TwoClocks { place: Place },
    #[error("{place}: `time_zone`: {error}")]
    TimeZone { place: Place, error: ZoneError },
    #[error(
        "{place}: \"holiday\" in `days`, and no calendar says which days are; add for example holidays = \"target\", with its dates in [calendars]"
    )]
    HolidayWithoutCalendar { place: Place },
    #[error(
        "{place}: `holidays` without `days` changes nothing; write for example days = [\"mon\", \"tue\", \"wed\", \"thu\", \"fri\"]"
    )]
    HolidaysWithoutDays { place: Place },
    #[error(
        "{place}: there is no calendar \"{calendar}\"; add it to [calendars], or write one of: {known}"
    )]
    UnknownCalendar {
        place: Place,
        calendar: CalendarId,
        known: String,
    },
    #[error("calendar \"{calendar}\" has no dates; name some, or remove it")]
    EmptyCalendar { calendar: CalendarId },
    #[error("calendar \"{calendar}\": {found} is no date; write for example \"2026-12-25\"")]
    Date { calendar: CalendarId, found: Quoted },
    #[error("calendar \"{calendar}\" names {found} twice; name it once")]
    DateTwice { calendar: CalendarId, found: Quoted },

    #[error(
        "{place}: write one of `max_amount` or `max_count` or `max_fiat`, and a limit each for several"
    )]
    OneMaximum { place: Place },
    #[error("{place}: a maximum of zero lets nothing through; write a deny rule for that")]
    ZeroMaximum { place: Place },
    #[error("{place}: `asset` is {asset} and `max_amount` in {max}; write both in one asset")]
    LimitAsset {
        place: Place,
        asset: Asset,
        max: Asset,
    },
    #[error(
        "{place}: on_breach = \"quorum\" without `require`; add for example require = [{{ group = \"treasury\", quorum = 2 }}]"
    )]
    QuorumWithoutRequire { place: Place },
    #[error("{place}: `require` without on_breach = \"quorum\"; write that, or remove `require`")]
    RequireWithoutQuorum { place: Place },

    #[error("{place} is written before, on line {first}; write each asset and tier once")]
    TargetTwice { place: Place, first: usize },
    #[error("{place}: `{key}` is in {found}; write all three amounts in the entry's asset")]
    TargetAsset {
        place: Place,
        key: &'static str,
        found: Asset,
    },
    #[error("{place}: a ceiling of zero says that the tier holds nothing; leave the entry out")]
    ZeroCeiling { place: Place },
    #[error(
        "{place}: floor {floor}, target {target} and ceiling {ceiling} are not in this order; write the floor at most as high as the target, and that at most as high as the ceiling"
    )]
    TargetOrder {
        place: Place,
        floor: Amount,
        target: Amount,
        ceiling: Amount,
    },
}
