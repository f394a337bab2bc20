//! The values inside messages: amounts, times, names, accounts and identifiers, each with its form.

use sunbid_terms::{Fen, Instant};

use crate::fault::{MessageFault, clip};

/// Identifiers are Max35Text.
const LONGEST_ID: usize = 35;
/// Names and texts are Max140Text.
const LONGEST_TEXT: usize = 140;
/// `Othr/Id` of an account is Max34Text.
const LONGEST_ACCOUNT: usize = 34;

/// An amount of money: more than nothing, exact to the fen, never read as a float.
pub(crate) fn read_amount(text: &str) -> Result<Fen, MessageFault> {
    let form = || MessageFault::Amount(clip(text));
    let (yuan, decimals) = match text.split_once('.') {
        Some((yuan, decimals)) if !decimals.is_empty() => (yuan, decimals),
        Some(_) => return Err(form()),
        None => (text, ""),
    };
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if yuan.is_empty() || !digits(yuan) || !digits(decimals) {
        return Err(form());
    }
    if decimals.len() > 2 {
        return Err(MessageFault::Decimals(clip(text)));
    }
    let amount = Fen::parse_yuan(text).map_err(|_| MessageFault::TooLarge(clip(text)))?;
    if amount <= Fen::ZERO {
        return Err(MessageFault::NothingPaid(clip(text)));
    }
    Ok(amount)
}

pub(crate) fn write_amount(amount: Fen) -> String {
    amount.to_string().replace(',', "")
}

pub(crate) fn check_currency(code: &str) -> Result<(), MessageFault> {
    if code == "CNY" {
        Ok(())
    } else {
        Err(MessageFault::Currency(clip(code)))
    }
}

/// A moment with its offset; a civil time without one could be any.
pub(crate) fn read_time(element: &'static str, text: &str) -> Result<Instant, MessageFault> {
    Instant::parse(text).ok_or_else(|| {
        MessageFault::value(
            element,
            text,
            "a date and time with its UTC offset is wanted",
        )
    })
}

pub(crate) fn write_time(at: Instant) -> String {
    at.in_china().format("%Y-%m-%dT%H:%M:%S%.6f%:z").to_string()
}

/// 1 to 35 characters of those that every bank takes in identifiers.
pub(crate) fn read_id(element: &'static str, text: String) -> Result<String, MessageFault> {
    let good = (1..=LONGEST_ID).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"/-?:().,'+_".contains(&byte));
    if good {
        return Ok(text);
    }
    Err(MessageFault::value(
        element,
        &text,
        "1 to 35 letters, digits or /-?:().,'+_ are wanted",
    ))
}

/// 1 to 34 letters and digits.
pub(crate) fn read_account(element: &'static str, text: String) -> Result<String, MessageFault> {
    let good = (1..=LONGEST_ACCOUNT).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if good {
        return Ok(text);
    }
    Err(MessageFault::value(
        element,
        &text,
        "an account number of 1 to 34 letters and digits is wanted",
    ))
}

/// A name: 1 to 140 characters on one line, no blanks around it.
pub(crate) fn read_name(element: &'static str, text: String) -> Result<String, MessageFault> {
    if text.is_empty() {
        return Err(MessageFault::value(element, &text, "a name is wanted"));
    }
    read_text(element, text)
}

/// At most 140 characters on one line, no blanks around them.
pub(crate) fn read_text(element: &'static str, text: String) -> Result<String, MessageFault> {
    let good = text.chars().count() <= LONGEST_TEXT
        && text.trim() == text
        && !text.chars().any(char::is_control);
    if good {
        return Ok(text);
    }
    Err(MessageFault::value(
        element,
        &text,
        "at most 140 characters on one line without blanks around them are wanted",
    ))
}

/// Refuses a list in which an identifier occurs twice.
pub(crate) fn check_distinct<'a>(
    element: &'static str,
    ids: impl Iterator<Item = &'a str>,
) -> Result<(), MessageFault> {
    let mut seen = std::collections::HashSet::new();
    for id in ids {
        if !seen.insert(id) {
            return Err(MessageFault::Duplicate {
                element,
                id: clip(id),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn amounts_are_exact_or_refused() {
        assert_eq!(read_amount("500000.00"), Ok(Fen::new(50_000_000)));
        assert_eq!(read_amount("0.1"), Ok(Fen::new(10)));
        assert_eq!(read_amount("7"), Ok(Fen::new(700)));
        assert!(matches!(
            read_amount("1.005"),
            Err(MessageFault::Decimals(_))
        ));
        assert!(matches!(
            read_amount("0.00"),
            Err(MessageFault::NothingPaid(_))
        ));
        assert!(matches!(
            read_amount("99999999999999999999"),
            Err(MessageFault::TooLarge(_))
        ));
        for text in [
            "", ".", "1.", ".5", "-1", "+1", "1,000", " 1", "1e3", "１", "NaN",
        ] {
            assert!(
                matches!(read_amount(text), Err(MessageFault::Amount(_))),
                "{text:?}"
            );
        }
    }

    #[test]
    fn times_carry_their_offset() {
        assert!(read_time("CreDtTm", "2026-03-02T09:00:00").is_err());
        let at = read_time("CreDtTm", "2026-03-02T01:00:00.5Z").unwrap();
        assert_eq!(write_time(at), "2026-03-02T09:00:00.500000+08:00");
    }

    proptest! {
        #[test]
        fn amounts_come_back(fen in 1..i64::MAX) {
            prop_assert_eq!(read_amount(&write_amount(Fen::new(fen))), Ok(Fen::new(fen)));
        }

        #[test]
        fn times_come_back(micros in 0..253_402_300_799_000_000_i64) {
            let at = Instant::from_micros(micros);
            prop_assert_eq!(read_time("t", &write_time(at)), Ok(at));
        }
    }
}
