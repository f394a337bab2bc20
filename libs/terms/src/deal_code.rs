//! The uniform transaction code (统一交易标识码) that a public-resource transaction carries for life:
//! class (3), operator's credit code (18), day (8), serial (6), check character, joined by hyphens.
//! The serial is whatever it is handed: who makes one must not let it count anything secret.

use std::fmt;

use chrono::NaiveDate;

use crate::{CreditCode, Instant};

const ALPHABET: &[u8; 37] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ*";
const LENGTHS: [usize; 5] = [3, 18, 8, 6, 1];

/// Serials have six digits.
pub const SERIALS: u32 = 1_000_000;

/// What is traded, as far as the first three characters tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DealClass {
    /// D01, goods of government procurement.
    Goods,
    /// D02, works of government procurement.
    Works,
    /// D03, services of government procurement.
    Services,
    /// A99, engineering tenders of a sector that is not stated.
    Engineering,
}

impl DealClass {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Goods => "D01",
            Self::Works => "D02",
            Self::Services => "D03",
            Self::Engineering => "A99",
        }
    }
}

/// Forty characters whose check character has been made or verified.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DealCode(String);

/// Why a text is not such a code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DealCodeError {
    #[error(
        "a transaction code has groups of 3, 18, 8, 6 and 1 characters joined by hyphens; got {0:?}"
    )]
    Form(String),
    #[error("the day {0:?} in the transaction code does not exist")]
    Day(String),
    #[error("a serial has at most six digits; got {0}")]
    Serial(u32),
    /// Codes of other platforms are known that fail this; whoever takes theirs only warns.
    #[error("the check character of {code} is {found}, ISO 7064 MOD 37-2 gives {expected}")]
    Check {
        code: String,
        found: char,
        expected: char,
    },
}

impl DealCode {
    /// Makes the code of a transaction that starts at `at`.
    pub fn new(
        class: DealClass,
        operator: &CreditCode,
        at: Instant,
        serial: u32,
    ) -> Result<Self, DealCodeError> {
        if serial >= SERIALS {
            return Err(DealCodeError::Serial(serial));
        }
        let day = at.china_date().format("%Y%m%d");
        let body = format!("{}-{operator}-{day}-{serial:06}", class.as_str());
        let check = check_character(&body).ok_or_else(|| DealCodeError::Form(body.clone()))?;
        Self::parse(&format!("{body}-{check}"))
    }

    /// Checks form, day and check character.
    pub fn parse(text: &str) -> Result<Self, DealCodeError> {
        let form = || DealCodeError::Form(text.to_owned());
        let groups: Vec<&str> = text.split('-').collect();
        if !groups.iter().map(|group| group.len()).eq(LENGTHS) {
            return Err(form());
        }
        let day = groups.get(2).copied().unwrap_or_default();
        if NaiveDate::parse_from_str(day, "%Y%m%d").is_err() {
            return Err(DealCodeError::Day(day.to_owned()));
        }
        let serial = groups.get(3).copied().unwrap_or_default();
        if !serial.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(form());
        }
        let (body, found) = text.rsplit_once('-').ok_or_else(form)?;
        let expected = check_character(body).ok_or_else(form)?;
        let found = found.chars().next().ok_or_else(form)?;
        if found != expected {
            return Err(DealCodeError::Check {
                code: text.to_owned(),
                found,
                expected,
            });
        }
        Ok(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DealCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// ISO 7064 MOD 37-2 (GB/T 17710) over the characters between the hyphens; none if one of them is
/// outside the alphabet.
fn check_character(body: &str) -> Option<char> {
    let (mut sum, mut weight) = (0, 1);
    for byte in body.bytes().rev().filter(|byte| *byte != b'-') {
        let value = ALPHABET.iter().take(36).position(|known| *known == byte)?;
        weight = weight * 2 % 37;
        sum += value * weight;
    }
    ALPHABET
        .get((38 - sum % 37) % 37)
        .map(|check| char::from(*check))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The first is a real one of another platform; its operator's code is of the older kind.
    #[test]
    fn known_codes() {
        for good in [
            "A02-123100007847653857-20161012-000015-Q",
            "D01-121406004056000122-20260105-000001-L",
            "A01-121406004056000122-20260105-000001-4",
        ] {
            assert_eq!(
                DealCode::parse(good).map(|code| code.to_string()),
                Ok(good.to_owned())
            );
        }
        for bad in [
            "",
            "D01-121406004056000122-20260105-000001",
            "D01-121406004056000122-20260105-00000a-L",
            "d01-121406004056000122-20260105-000001-L",
            "D01-12140600405600012二-20260105-000001-L",
        ] {
            assert!(
                matches!(DealCode::parse(bad), Err(DealCodeError::Form(_))),
                "{bad}"
            );
        }
        assert!(matches!(
            DealCode::parse("D01-121406004056000122-20260230-000001-L"),
            Err(DealCodeError::Day(_))
        ));
        assert!(matches!(
            DealCode::parse("D01-121406004056000122-20260105-000001-M"),
            Err(DealCodeError::Check { expected: 'L', .. })
        ));
    }

    proptest! {
        #[test]
        fn made_codes_parse_and_no_wrong_digit_passes(serial in 0..SERIALS, at in 0_i64..4_000_000_000, place in 0_usize..6) {
            let operator = CreditCode::parse("12140600405600266Y").unwrap();
            let code = DealCode::new(DealClass::Works, &operator, Instant::from_seconds(at), serial).unwrap();
            prop_assert_eq!(code.as_str().len(), 40);
            prop_assert_eq!(DealCode::parse(code.as_str()), Ok(code.clone()));
            let mut wrong = code.as_str().as_bytes().to_vec();
            let digit = &mut wrong[32 + place];
            *digit = if *digit == b'9' { b'0' } else { *digit + 1 };
            prop_assert!(DealCode::parse(std::str::from_utf8(&wrong).unwrap()).is_err());
        }

        #[test]
        fn no_text_breaks_the_parser(text in "\\PC*") {
            let _ = DealCode::parse(&text);
        }
    }

    #[test]
    fn serials_have_six_digits() {
        let operator = CreditCode::parse("12140600405600266Y").unwrap();
        let at = Instant::from_seconds(0);
        assert_eq!(
            DealCode::new(DealClass::Goods, &operator, at, SERIALS),
            Err(DealCodeError::Serial(SERIALS))
        );
    }
}
