//! Money as a whole number of fen. Never a float, never a silent overflow.

use std::fmt;

/// An amount in fen (1/100 yuan, CNY). May be negative inside a ledger; parse refuses a sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Fen(i64);

/// Why a text is not an amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    #[error("an amount is digits with at most two decimals, in yuan, such as 1234.56; got {0:?}")]
    Form(String),
    #[error("the amount {0:?} is larger than this system can hold")]
    TooLarge(String),
}

impl Fen {
    pub const ZERO: Self = Self(0);

    pub const fn new(fen: i64) -> Self {
        Self(fen)
    }

    pub const fn get(self) -> i64 {
        self.0
    }

    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(difference) => Some(Self(difference)),
            None => None,
        }
    }

    /// The whole fen of `self * numerator / denominator`, rounded down: a ceiling is never exceeded.
    pub fn share(self, numerator: i64, denominator: i64) -> Option<Self> {
        if denominator <= 0 {
            return None;
        }
        let product = i128::from(self.0) * i128::from(numerator);
        i64::try_from(product.div_euclid(i128::from(denominator)))
            .ok()
            .map(Self)
    }

    /// Parses yuan as people type them: `1234`, `1234.5`, `1,234.56`.
    pub fn parse_yuan(text: &str) -> Result<Self, AmountError> {
        let form = || AmountError::Form(text.to_owned());
        let plain: String = text.trim().chars().filter(|c| *c != ',').collect();
        let (yuan, decimals) = plain.split_once('.').unwrap_or((&plain, ""));
        let digits = |part: &str| part.chars().all(|c| c.is_ascii_digit());
        let dangling = plain.contains('.') && decimals.is_empty();
        if yuan.is_empty() || dangling || !digits(yuan) || !digits(decimals) || decimals.len() > 2 {
            return Err(form());
        }
        let too_large = || AmountError::TooLarge(text.to_owned());
        let whole: i64 = yuan.parse().map_err(|_| too_large())?;
        let fen: i64 = format!("{decimals:0<2}").parse().map_err(|_| form())?;
        whole
            .checked_mul(100)
            .and_then(|w| w.checked_add(fen))
            .map(Self)
            .ok_or_else(too_large)
    }

    /// The amount in Chinese capital numerals (大写金额), as opening records print it.
    /// Negative amounts carry 负.
    pub fn chinese_capital(self) -> String {
        const DIGITS: [char; 10] = ['零', '壹', '贰', '叁', '肆', '伍', '陆', '柒', '捌', '玖'];
        const UNITS: [&str; 4] = ["", "拾", "佰", "仟"];
        const GROUPS: [&str; 5] = ["", "万", "亿", "万亿", "亿亿"];
        let magnitude = self.0.unsigned_abs();
        let (yuan, jiao, fen) = (magnitude / 100, magnitude / 10 % 10, magnitude % 10);
        let mut text = String::new();
        if self.0 < 0 {
            text.push('负');
        }
        let mut zero_pending = false;
        for group in (0..GROUPS.len()).rev() {
            let value = yuan / 10_u64.pow(4 * group as u32) % 10_000;
            if value == 0 {
                zero_pending = zero_pending || text.chars().any(|c| c != '负');
                continue;
            }
            for place in (0..UNITS.len()).rev() {
                let digit = (value / 10_u64.pow(place as u32) % 10) as usize;
                if digit == 0 {
                    zero_pending = zero_pending || text.chars().any(|c| c != '负');
                } else {
                    if zero_pending {
                        text.push('零');
                        zero_pending = false;
                    }
                    text.push(DIGITS[digit]);
                    text.push_str(UNITS[place]);
                }
            }
            text.push_str(GROUPS[group]);
            zero_pending = value.is_multiple_of(10) && zero_pending;
        }
        if yuan > 0 {
            text.push('元');
        } else if jiao == 0 && fen == 0 {
            text.push_str("零元");
        }
        if jiao == 0 && fen == 0 {
            text.push('整');
            return text;
        }
        if jiao > 0 {
            text.push(DIGITS[jiao as usize]);
            text.push('角');
        } else if yuan > 0 {
            text.push('零');
        }
        if fen > 0 {
            text.push(DIGITS[fen as usize]);
            text.push('分');
        } else {
            text.push('整');
        }
        text
    }
}

/// Yuan with two decimals and thousands separators: `1,234.56`.
impl fmt::Display for Fen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.0.unsigned_abs();
        let yuan = (magnitude / 100).to_string();
        let mut grouped = String::new();
        for (at, digit) in yuan.chars().enumerate() {
            if at > 0 && (yuan.len() - at).is_multiple_of(3) {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}{grouped}.{:02}", magnitude % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn capitals_follow_the_bank_rules() {
        for (fen, text) in [
            (0, "零元整"),
            (12_300, "壹佰贰拾叁元整"),
            (100_000_000, "壹佰万元整"),
            (100_100_000, "壹佰万零壹仟元整"),
            (10_000_100, "壹拾万零壹元整"),
            (10_000_000_000, "壹亿元整"),
            (10_000_001_005, "壹亿零壹拾元零伍分"),
            (123_456_789, "壹佰贰拾叁万肆仟伍佰陆拾柒元捌角玖分"),
            (5, "伍分"),
            (50, "伍角整"),
            (105, "壹元零伍分"),
        ] {
            assert_eq!(Fen::new(fen).chinese_capital(), text, "{fen}");
        }
    }

    #[test]
    fn refuses_what_is_not_an_amount() {
        for text in ["", ".", "1.", "-1", "1.234", "1e5", "１", "+1", "abc"] {
            assert!(Fen::parse_yuan(text).is_err(), "{text:?}");
        }
        assert_eq!(Fen::parse_yuan("1,234.5"), Ok(Fen::new(123_450)));
        assert!(matches!(
            Fen::parse_yuan("99999999999999999999"),
            Err(AmountError::TooLarge(_))
        ));
    }

    proptest! {
        #[test]
        fn shown_amounts_parse_back(fen in 0..i64::MAX) {
            prop_assert_eq!(Fen::parse_yuan(&Fen::new(fen).to_string()), Ok(Fen::new(fen)));
        }

        #[test]
        fn a_share_never_exceeds(fen in 0..i64::MAX / 4, part in 0_i64..100) {
            let share = Fen::new(fen).share(part, 100).unwrap();
            prop_assert!(i128::from(share.get()) * 100 <= i128::from(fen) * i128::from(part));
        }

        #[test]
        fn capitals_exist_for_every_amount(fen in any::<i64>()) {
            prop_assert!(!Fen::new(fen).chinese_capital().is_empty());
        }
    }
}
