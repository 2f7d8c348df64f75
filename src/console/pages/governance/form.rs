//! A form that proposes one change of the vault. A form is declared here, from the change's members; what it looks like is one
//! macro of `templates/governance_parts.html`, and how it is signed and checked is the same for all of them.

/// What a form asks for.
#[derive(Debug, Clone)]
pub(in crate::console::pages) struct Form {
    /// The change's name, as the API writes it.
    pub(in crate::console::pages) change: &'static str,
    /// Its words on the page, closed.
    pub(in crate::console::pages) title: &'static str,
    /// What it is about, if that is fixed; said with the title to who doesn't see what it stands beside.
    pub(in crate::console::pages) subject: String,
    /// What is worth knowing before one fills it in.
    pub(in crate::console::pages) note: Option<&'static str>,
    /// Members of the change that nobody fills in.
    pub(in crate::console::pages) fixed: Vec<(&'static str, String)>,
    /// Members of the change that somebody fills in.
    pub(in crate::console::pages) fields: Vec<Field>,
    /// Its button.
    pub(in crate::console::pages) button: &'static str,
    /// Whether something is taken away by it.
    pub(in crate::console::pages) takes: bool,
    /// Whether it stands open.
    pub(in crate::console::pages) open: bool,
}

/// One member of a change.
#[derive(Debug, Clone)]
pub(in crate::console::pages) struct Field {
    /// The member, as the API writes it; members of members after a point.
    pub(in crate::console::pages) member: &'static str,
    /// What a person calls it.
    pub(in crate::console::pages) label: &'static str,
    /// How it is written.
    pub(in crate::console::pages) hint: String,
    /// Whether it may be left out.
    pub(in crate::console::pages) optional: bool,
    /// What is filled in.
    pub(in crate::console::pages) kind: Kind,
}

/// How a member is filled in.
#[derive(Debug, Clone)]
pub(in crate::console::pages) enum Kind {
    /// A line of at most so many characters, that looks like this, from among these or another.
    Text(usize, &'static str, Vec<String>),
    /// A whole number from the first to the second.
    Number(u32, u32),
    /// Several lines, each one entry of a list, that look like this.
    Lines(&'static str),
    /// One of these: value and words.
    Choice(Vec<(String, String)>),
    /// Some of these, and whether each is chosen already.
    Ticks(Vec<(&'static str, bool)>),
}

impl Form {
    /// A form for a change, without members yet.
    pub(in crate::console::pages) fn new(
        change: &'static str,
        title: &'static str,
        button: &'static str,
    ) -> Self {
        Self {
            change,
            title,
            subject: String::new(),
            note: None,
            fixed: Vec::new(),
            fields: Vec::new(),
            button,
            takes: false,
            open: false,
        }
    }

    /// A form that takes something away, which nobody fills in.
    pub(in crate::console::pages) fn taking(
        change: &'static str,
        title: &'static str,
        button: &'static str,
    ) -> Self {
        Self {
            takes: true,
            ..Self::new(change, title, button)
        }
    }

    /// The same about something that is there. The last one said is what the form is about in words.
    pub(in crate::console::pages) fn about(
        mut self,
        member: &'static str,
        value: impl ToString,
    ) -> Self {
        self.subject = value.to_string();
        self.fixed.push((member, value.to_string()));
        self
    }

    /// The same with a member more.
    pub(in crate::console::pages) fn with(mut self, field: Field) -> Self {
        self.fields.push(field);
        self
    }

    /// The same with what is worth knowing.
    pub(in crate::console::pages) fn noting(self, note: &'static str) -> Self {
        let note = Some(note);
        Self { note, ..self }
    }

    /// The same, standing open.
    pub(in crate::console::pages) fn standing_open(self) -> Self {
        Self { open: true, ..self }
    }

    /// What distinguishes it on its page.
    pub(in crate::console::pages) fn key(&self) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        let subject: String = self.subject.chars().map(plain).collect();
        format!("{}-{subject}", self.change)
    }

    /// What distinguishes one of its fields.
    pub(in crate::console::pages) fn field_key(&self, field: &Field) -> String {
        format!("{}-{}", self.key(), field.member.replace('.', "-"))
    }
}

impl Field {
    /// A member of this kind.
    pub(in crate::console::pages) fn of(
        member: &'static str,
        label: &'static str,
        kind: Kind,
    ) -> Self {
        Self {
            member,
            label,
            hint: String::new(),
            optional: false,
            kind,
        }
    }

    /// A line of at most so many characters.
    pub(in crate::console::pages) fn text(
        member: &'static str,
        label: &'static str,
        most: usize,
        like: &'static str,
    ) -> Self {
        Self::of(member, label, Kind::Text(most, like, Vec::new()))
    }

    /// The same with a word on how it is written.
    pub(in crate::console::pages) fn hint(self, hint: impl Into<String>) -> Self {
        let hint = hint.into();
        Self { hint, ..self }
    }

    /// The same, which may be left out.
    pub(in crate::console::pages) fn optional(self) -> Self {
        let optional = true;
        Self { optional, ..self }
    }

    /// What the page's script makes of the text.
    pub(in crate::console::pages) fn types(&self) -> String {
        let kind = match self.kind {
            Kind::Number(..) => "number",
            Kind::Lines(_) => "lines",
            Kind::Ticks(_) => "list",
            Kind::Text(..) | Kind::Choice(_) => "",
        };
        let empty = if self.optional { "omit-empty" } else { "" };
        format!("{kind} {empty}").trim().to_owned()
    }
}
