//! Numbers of virtual accounts: 19 random digits and a check digit. Random, so that a number says
//! nothing of how many were given out; checked, so that a slip of the pen is refused by the bank.

/// A number of 20 digits whose check digit (Luhn, ISO/IEC 7812-1) holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualAccount(String);

impl VirtualAccount {
    /// A number from 16 random bytes. The first digit is never zero, so that no form drops it.
    pub fn of(random: [u8; 16]) -> Self {
        const FIRST: u128 = 1_000_000_000_000_000_000;
        const RANGE: u128 = 9 * FIRST;
        // 2^128 is over 10^19 times the range: the remainder is as good as even.
        let digits = (FIRST + u128::from_be_bytes(random) % RANGE).to_string();
        let check = (10 - luhn(&digits, 1) % 10) % 10;
        Self(format!("{digits}{check}"))
    }

    /// Takes a number whose check digit holds.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.len() == 20 && text.bytes().all(|byte| byte.is_ascii_digit());
        (digits && luhn(text, 0).is_multiple_of(10)).then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The Luhn sum of digits, the last of which has weight 2 if `from` is 1.
fn luhn(digits: &str, from: usize) -> u32 {
    digits
        .bytes()
        .rev()
        .zip(from..)
        .map(|(byte, at)| {
            let digit = u32::from(byte.wrapping_sub(b'0'));
            match at % 2 {
                0 => digit,
                _ if digit > 4 => digit * 2 - 9,
                _ => digit * 2,
            }
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_published_example_holds() {
        // The example number of the Luhn algorithm's description, padded to our length.
        assert!(VirtualAccount::parse("00000000079927398713").is_some());
        assert!(VirtualAccount::parse("00000000079927398710").is_none());
    }

    proptest! {
        #[test]
        fn every_number_checks_and_no_single_slip_does(
            random in any::<[u8; 16]>(), at in 0_usize..20, slip in 1_u8..10,
        ) {
            let account = VirtualAccount::of(random);
            prop_assert_eq!(account.as_str().len(), 20);
            prop_assert_eq!(VirtualAccount::parse(account.as_str()), Some(account.clone()));
            let mut slipped = account.as_str().as_bytes().to_vec();
            slipped[at] = b'0' + (slipped[at] - b'0' + slip) % 10;
            prop_assert_eq!(VirtualAccount::parse(std::str::from_utf8(&slipped).unwrap()), None);
        }
    }
}
