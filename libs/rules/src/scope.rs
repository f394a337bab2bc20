//! Which law applies: the track, the place and the day. Chosen once per project, never mixed.

use std::fmt;

use chrono::NaiveDate;
use sunbid_terms::Instant;

/// The two bodies of law. A project takes one at its creation and keeps it.
///
/// A government works project that is tendered follows the engineering procedure
/// (政府采购法实施条例 art 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize)]
pub enum Track {
    /// 政府采购 under the finance departments: 采购人, 供应商, 质疑.
    #[serde(rename = "GP")]
    GovernmentProcurement,
    /// 工程建设项目招标 under the development and sector departments: 招标人, 投标人, 异议.
    #[serde(rename = "ENG")]
    Engineering,
}

impl Track {
    pub const ALL: [Self; 2] = [Self::GovernmentProcurement, Self::Engineering];

    /// The stable machine form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GovernmentProcurement => "government_procurement",
            Self::Engineering => "engineering",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|track| track.as_str() == text)
    }
}

impl fmt::Display for Track {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A place with rules of its own: `CN`, or `CN-` and a division code of GB/T 2260.
///
/// A city inherits its province's rows and a province the country's; the nearest row wins.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Jurisdiction {
    written: String,
    /// The digits without empty levels: `1406` for 140600.
    digits: String,
}

/// Why a text names no jurisdiction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a jurisdiction is CN or CN- and six digits of GB/T 2260 such as CN-140600; got {0:?}")]
pub struct JurisdictionError(String);

impl Jurisdiction {
    /// The whole country.
    pub fn china() -> Self {
        Self {
            written: "CN".to_owned(),
            digits: String::new(),
        }
    }

    pub fn parse(text: &str) -> Result<Self, JurisdictionError> {
        if text == "CN" {
            return Ok(Self::china());
        }
        let refused = || JurisdictionError(text.to_owned());
        let code = text.strip_prefix("CN-").ok_or_else(refused)?;
        let shaped = code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit());
        if !shaped || code.starts_with('0') {
            return Err(refused());
        }
        let mut digits = code;
        while let Some(shorter) = digits.strip_suffix("00") {
            digits = shorter;
        }
        Ok(Self {
            written: text.to_owned(),
            digits: digits.to_owned(),
        })
    }

    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// How near a row of `other` is to this place; none if it does not apply here.
    pub(crate) fn nearness_of(&self, other: &Self) -> Option<usize> {
        self.digits
            .starts_with(&other.digits)
            .then_some(other.digits.len())
    }
}

impl fmt::Display for Jurisdiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

/// What selects the rows of the table: track, place, and the China day of the act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    pub track: Track,
    pub jurisdiction: Jurisdiction,
    pub on: NaiveDate,
}

impl Scope {
    /// The rules in force at `at` (the moment of the act that is judged).
    pub fn new(track: Track, jurisdiction: Jurisdiction, at: Instant) -> Self {
        Self {
            track,
            jurisdiction,
            on: at.china_date(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_inherit_upwards_only() {
        let city = Jurisdiction::parse("CN-140600").unwrap();
        let county = Jurisdiction::parse("CN-140602").unwrap();
        let province = Jurisdiction::parse("CN-140000").unwrap();
        assert_eq!(county.nearness_of(&city), Some(4));
        assert_eq!(county.nearness_of(&province), Some(2));
        assert_eq!(city.nearness_of(&Jurisdiction::china()), Some(0));
        assert_eq!(city.nearness_of(&county), None);
        for bad in [
            "",
            "cn",
            "CN-14",
            "CN-1406000",
            "CN-000000",
            "CN-14060a",
            "US",
        ] {
            assert!(Jurisdiction::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn tracks_have_one_machine_form() {
        for track in Track::ALL {
            assert_eq!(Track::parse(track.as_str()), Some(track));
        }
        assert_eq!(Track::parse("GP"), None);
    }
}
