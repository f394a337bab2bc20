//! The closed words of the rule table, with their one stable machine form each.

use serde::Deserialize;

macro_rules! word {
    ($(#[$meta:meta])* $name:ident { $($(#[$about:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
        pub enum $name { $($(#[$about])* #[serde(rename = $text)] $variant),+ }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable machine form.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|word| word.as_str() == text)
            }
        }
    };
}

word! {
    /// What a breach brings about, from the mildest.
    Effect {
        /// Noted, nothing more.
        Record = "record",
        /// Goes to the supervisor.
        Escalate = "escalate",
        /// Needs a reason and stays visible to the supervisor.
        Warn = "warn",
        /// Cannot proceed.
        Refuse = "refuse",
    }
}

word! {
    /// How a rule is kept.
    Kind {
        /// A predicate judges facts.
        Check = "check",
        /// No fact decides it: the platform is built so; the row says how.
        Design = "design",
        /// It gives a number rather than a verdict.
        Compute = "compute",
    }
}

word! {
    /// How sure the row is of its text.
    Confidence {
        /// Read in the primary text.
        Primary = "V",
        /// Read in a secondary source that quotes it.
        Secondary = "V2",
        /// From memory, sure.
        Memory = "M",
        /// From memory, to be checked before anyone relies on it.
        Unchecked = "M?",
    }
}

word! {
    /// The part of a tender's life a rule belongs to.
    RuleStage {
        Intent = "intent",
        Notice = "notice",
        Clarification = "clarification",
        Deposit = "deposit",
        Submission = "submission",
        Opening = "opening",
    }
}
