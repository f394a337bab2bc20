//! The unified social credit code (统一社会信用代码, GB 32100-2015): the only key of an enterprise.

use std::fmt;

const ALPHABET: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";

/// Eighteen characters whose check character has been verified.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CreditCode(String);

/// Why a text is not a credit code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CreditCodeError {
    #[error("a unified social credit code has 18 characters, this has {0}")]
    Length(usize),
    #[error("the character {0:?} does not occur in unified social credit codes")]
    Character(char),
    #[error("the check character of {code} is {found}, GB 32100-2015 gives {expected}")]
    Check {
        code: String,
        found: char,
        expected: char,
    },
}

impl CreditCode {
    /// Checks length, alphabet and check character.
    pub fn parse(text: &str) -> Result<Self, CreditCodeError> {
        let count = text.chars().count();
        if count != 18 {
            return Err(CreditCodeError::Length(count));
        }
        let expected = check_character(text.chars().take(17))?;
        let found = text.chars().last().unwrap_or_default();
        value_of(found)?;
        if found != expected {
            return Err(CreditCodeError::Check {
                code: text.to_owned(),
                found,
                expected,
            });
        }
        Ok(Self(text.to_owned()))
    }

    /// Completes 17 characters with their check character.
    pub fn complete(first_17: &str) -> Result<Self, CreditCodeError> {
        let count = first_17.chars().count();
        if count != 17 {
            return Err(CreditCodeError::Length(count));
        }
        let check = check_character(first_17.chars())?;
        Ok(Self(format!("{first_17}{check}")))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CreditCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn value_of(character: char) -> Result<u32, CreditCodeError> {
    ALPHABET
        .iter()
        .position(|known| char::from(*known) == character)
        .map(|at| at as u32)
        .ok_or(CreditCodeError::Character(character))
}

fn check_character(first_17: impl Iterator<Item = char>) -> Result<char, CreditCodeError> {
    let (mut sum, mut weight) = (0, 1);
    for character in first_17 {
        sum += value_of(character)? * weight;
        weight = weight * 3 % 31;
    }
    Ok(char::from(ALPHABET[((31 - sum % 31) % 31) as usize]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_codes() {
        for good in [
            "91110108551385082Q",
            "9144030071526726XG",
            "12350100MB02709751",
            "12140600405600266Y",
        ] {
            assert_eq!(CreditCode::parse(good).unwrap().as_str(), good);
            assert_eq!(CreditCode::complete(&good[..17]).unwrap().as_str(), good);
        }
        for bad in [
            "911101085513850820",
            "91440300715267260G",
            "12350100MB02709715",
        ] {
            assert!(
                matches!(CreditCode::parse(bad), Err(CreditCodeError::Check { .. })),
                "{bad}"
            );
        }
        assert_eq!(CreditCode::parse("91"), Err(CreditCodeError::Length(2)));
        assert_eq!(
            CreditCode::parse("9111010855138508ZQ"),
            Err(CreditCodeError::Character('Z'))
        );
        assert!(CreditCode::parse("九九九九九九九九九九九九九九九九九九").is_err());
    }
}
