//! The opening sheet (开标一览表): the public part of a bid, a small UTF-8 JSON object of strings
//! whose keys the tender prescribes. The same reader judges it before it is sealed, at the opening
//! and in the public verifier, so a sheet that a supplier's own tool accepted is never refused later.

use std::collections::BTreeSet;

use sunbid_contracts::opening::v1::SheetValue;
use sunbid_contracts::tender::v1::{SheetField, SheetFieldType};
use sunbid_terms::Fen;

use super::json;

/// The largest sheet, bytes. More than any table of a bid's main figures needs.
pub const MOST_BYTES: usize = 64 * 1024;

/// The longest text of one field, characters.
pub const MOST_TEXT: usize = 2_000;

/// A hundred years: more is a slip of the keyboard.
const MOST_DAYS: u32 = 36_500;

/// One thing that is wrong with a sheet, in two languages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SheetFault {
    /// The key it is about; empty for the sheet as a whole.
    pub key: String,
    pub zh: String,
    pub en: String,
}

impl SheetFault {
    fn new(key: &str, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self {
            key: key.to_owned(),
            zh: zh.into(),
            en: en.into(),
        }
    }
}

/// Everything that is wrong with a sheet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SheetFaults(pub Vec<SheetFault>);

impl SheetFaults {
    /// All of it in Chinese.
    pub fn zh(&self) -> String {
        self.joined("；", |fault| &fault.zh)
    }

    /// All of it in English.
    pub fn en(&self) -> String {
        self.joined("; ", |fault| &fault.en)
    }

    fn joined(&self, gap: &str, text: impl Fn(&SheetFault) -> &str) -> String {
        let name = |fault: &SheetFault| match fault.key.as_str() {
            "" => text(fault).to_owned(),
            key => format!("{key}: {}", text(fault)),
        };
        self.0.iter().map(name).collect::<Vec<_>>().join(gap)
    }
}

impl std::fmt::Display for SheetFaults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.zh(), self.en())
    }
}

impl std::error::Error for SheetFaults {}

/// Reads a sheet against the tender's fields; the values come in the tender's order, as they were
/// written. All faults at once.
pub fn parse(content: &[u8], fields: &[SheetField]) -> Result<Vec<SheetValue>, SheetFaults> {
    parse_all(content, fields).map_err(SheetFaults)
}

fn parse_all(content: &[u8], fields: &[SheetField]) -> Result<Vec<SheetValue>, Vec<SheetFault>> {
    if content.len() > MOST_BYTES {
        return Err(vec![SheetFault::new(
            "",
            format!("开标一览表有{}字节，最多{MOST_BYTES}字节。", content.len()),
            format!(
                "The opening sheet has {} bytes, at most {MOST_BYTES} are taken.",
                content.len()
            ),
        )]);
    }
    let text = std::str::from_utf8(content).map_err(|error| {
        vec![SheetFault::new(
            "",
            format!("开标一览表不是UTF-8文本（第{}字节）。", error.valid_up_to()),
            format!(
                "The opening sheet is not UTF-8 text (byte {}).",
                error.valid_up_to()
            ),
        )]
    })?;
    let pairs = json::object_of_strings(text).map_err(|fault| {
        vec![SheetFault::new(
            "",
            format!(
                "开标一览表不是由文本值组成的JSON对象：第{}字节应为 {}。",
                fault.at, fault.expected
            ),
            format!(
                "The opening sheet is not a JSON object of strings: {} is expected at byte {}.",
                fault.expected, fault.at
            ),
        )]
    })?;
    judge(fields, &pairs)
}

/// Writes a sheet that [`parse`] accepts, from what a person filled in; fields left empty that are
/// not required are left out.
pub fn write(values: &[(String, String)], fields: &[SheetField]) -> Result<Vec<u8>, SheetFaults> {
    let filled: Vec<(String, String)> = values
        .iter()
        .filter(|(key, value)| {
            !value.is_empty()
                || !fields
                    .iter()
                    .any(|field| field.key == *key && !field.required)
        })
        .cloned()
        .collect();
    let ordered = judge(fields, &filled).map_err(SheetFaults)?;
    let mut out = String::from("{");
    for (place, value) in ordered.iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        json::write_string(&mut out, &value.key);
        out.push(':');
        json::write_string(&mut out, &value.value);
    }
    out.push('}');
    let bytes = out.into_bytes();
    // The length is judged by the reader, and only there.
    parse(&bytes, fields).map(|_| bytes)
}

fn judge(
    fields: &[SheetField],
    pairs: &[(String, String)],
) -> Result<Vec<SheetValue>, Vec<SheetFault>> {
    let mut faults = Vec::new();
    let mut seen = BTreeSet::new();
    for (key, _) in pairs {
        if !seen.insert(key.as_str()) {
            faults.push(SheetFault::new(
                key,
                "同一项填写了两次。",
                "is there twice.",
            ));
        } else if !fields.iter().any(|field| field.key == *key) {
            let (zh, en) = ("招标文件没有规定此项。", "is not a field of this tender.");
            faults.push(SheetFault::new(key, zh, en));
        }
    }
    let mut values = Vec::new();
    for field in fields {
        match pairs.iter().find(|(key, _)| *key == field.key) {
            Some((key, value)) => {
                if let Err(fault) = judge_value(field, value) {
                    faults.push(fault);
                }
                values.push(SheetValue {
                    key: key.clone(),
                    value: value.clone(),
                });
            }
            None if field.required => {
                faults.push(SheetFault::new(&field.key, "必填。", "is required."));
            }
            None => {}
        }
    }
    if faults.is_empty() {
        Ok(values)
    } else {
        Err(faults)
    }
}

fn judge_value(field: &SheetField, value: &str) -> Result<(), SheetFault> {
    let fault = |zh: String, en: String| Err(SheetFault::new(&field.key, zh, en));
    let length = value.chars().count();
    if length > MOST_TEXT {
        return fault(
            format!("有{length}个字符，最多{MOST_TEXT}个。"),
            format!("has {length} characters, at most {MOST_TEXT} are taken."),
        );
    }
    match field.r#type() {
        SheetFieldType::Amount => match Fen::parse_yuan(value) {
            Ok(_) => Ok(()),
            Err(error) => fault(
                format!("“{value}”不是金额；请以元填写，最多两位小数，例如1234.56。"),
                format!("is no amount: {error}."),
            ),
        },
        SheetFieldType::Days => {
            let digits = !value.is_empty() && value.chars().all(|c| c.is_ascii_digit());
            let days = if digits {
                value.parse::<u32>().ok()
            } else {
                None
            };
            if days.is_some_and(|days| days <= MOST_DAYS) {
                return Ok(());
            }
            fault(
                format!("“{value}”不是天数；请填写0至{MOST_DAYS}的整数。"),
                format!(
                    "is no number of days: {value:?} is not a whole number from 0 to {MOST_DAYS}."
                ),
            )
        }
        SheetFieldType::Text | SheetFieldType::Unspecified => {
            if field.required && value.trim().is_empty() {
                return fault("必填。".to_owned(), "is required.".to_owned());
            }
            // What is read out must not rearrange what stands around it.
            let hidden = |c: char| {
                (c.is_control() && c != '\n')
                    || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            };
            if value.chars().any(hidden) {
                return fault(
                    "含有控制字符。".to_owned(),
                    "has control characters or marks of writing direction.".to_owned(),
                );
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn field(key: &str, kind: SheetFieldType, required: bool) -> SheetField {
        SheetField {
            key: key.into(),
            r#type: kind as i32,
            required,
            ..SheetField::default()
        }
    }

    fn fields() -> Vec<SheetField> {
        vec![
            field("price", SheetFieldType::Amount, true),
            field("days", SheetFieldType::Days, true),
            field("note", SheetFieldType::Text, false),
        ]
    }

    #[test]
    fn values_come_in_the_tenders_order() {
        let read = parse(b"{\"days\":\"30\",\"price\":\"1,234.50\"}", &fields()).unwrap();
        let keys: Vec<_> = read
            .iter()
            .map(|v| (v.key.as_str(), v.value.as_str()))
            .collect();
        assert_eq!(keys, [("price", "1,234.50"), ("days", "30")]);
    }

    #[test]
    fn every_fault_is_named_by_its_key() {
        let keys = |text: &str| -> Vec<String> {
            parse(text.as_bytes(), &fields())
                .unwrap_err()
                .0
                .into_iter()
                .map(|f| f.key)
                .collect()
        };
        assert_eq!(keys("{}"), ["price", "days"]);
        assert_eq!(
            keys("{\"price\":\"1\",\"price\":\"2\",\"days\":\"3\"}"),
            ["price"]
        );
        assert_eq!(
            keys("{\"price\":\"-1\",\"days\":\"3.5\",\"x\":\"y\"}"),
            ["x", "price", "days"]
        );
        assert_eq!(keys("{\"price\":\"1\",\"days\":\"36501\"}"), ["days"]);
        assert_eq!(
            keys("{\"price\":\"1\",\"days\":\"1\",\"note\":\"a\\u202eb\"}"),
            ["note"]
        );
        assert_eq!(keys("[]"), [""]);
        assert_eq!(parse(&[0xff], &fields()).unwrap_err().0.len(), 1);
        assert_eq!(
            parse(&vec![b' '; MOST_BYTES + 1], &fields())
                .unwrap_err()
                .0
                .len(),
            1
        );
    }

    #[test]
    fn what_is_left_empty_is_left_out() {
        let value = |k: &str, v: &str| (k.to_owned(), v.to_owned());
        let written = write(
            &[value("note", ""), value("days", "9"), value("price", "5")],
            &fields(),
        )
        .unwrap();
        assert_eq!(written, b"{\"price\":\"5\",\"days\":\"9\"}");
        assert!(write(&[value("price", ""), value("days", "9")], &fields()).is_err());
    }

    proptest! {
        #[test]
        fn written_sheets_are_read(price in "[0-9]{1,9}(\\.[0-9]{1,2})?", days in 0_u32..9_999, note in "[^\\p{C}]{0,40}") {
            let values = [
                ("price".to_owned(), price.clone()),
                ("days".to_owned(), days.to_string()),
                ("note".to_owned(), note.clone()),
            ];
            let content = write(&values, &fields()).unwrap();
            let read = parse(&content, &fields()).unwrap();
            prop_assert_eq!(&read[0].value, &price);
            prop_assert_eq!(read.len(), if note.is_empty() { 2 } else { 3 });
        }

        #[test]
        fn any_bytes_are_judged(content in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&content, &fields());
        }
    }
}
