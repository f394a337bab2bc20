//! Why a message of a bank is not taken, one variant for each thing that can be wrong with it.

/// How much of a wrong value is repeated in a message, characters.
const SHOWN: usize = 60;

/// Why bytes are not one of the messages.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageFault {
    #[error("the message is not UTF-8 from byte {0} on")]
    Encoding(usize),
    #[error("the message is not well-formed XML: {0}")]
    Malformed(String),
    #[error("the message holds {0}, which no message of this agreement needs")]
    Unwanted(&'static str),
    #[error("messages of the kind {0:?} are not taken")]
    Kind(String),
    #[error("the message does not have the agreed form: {0}")]
    Form(String),
    #[error("{element} is {found:?}; {wanted}")]
    Value {
        element: &'static str,
        found: String,
        wanted: &'static str,
    },
    #[error("the currency is {0:?}; only CNY is taken")]
    Currency(String),
    #[error("the amount {0:?} has more than two decimals; a fen is the smallest unit")]
    Decimals(String),
    #[error("the amount {0:?} is not digits with at most two decimals")]
    Amount(String),
    #[error("the amount {0:?} is not more than nothing")]
    NothingPaid(String),
    #[error("the amount {0:?} is larger than this system can hold")]
    TooLarge(String),
    #[error("{element} {id:?} occurs twice in one message")]
    Duplicate { element: &'static str, id: String },
    #[error("the message says it holds {said} payments, it holds {found}")]
    Count { said: String, found: usize },
    #[error("the message says its payments sum to {said:?}, they do not")]
    Sum { said: String },
}

impl MessageFault {
    pub(crate) fn value(element: &'static str, found: &str, wanted: &'static str) -> Self {
        Self::Value {
            element,
            found: clip(found),
            wanted,
        }
    }
}

/// The beginning of a text that may be of any length.
pub(crate) fn clip(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}
