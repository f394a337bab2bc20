//! The public checks of a bid's envelopes at submission (sealing scheme 4.5): E1 to E5, and E7 for
//! payloads at hand. Needs no secret; costs one proof check for each envelope.

use sunbid_contracts::bid::v1::EnvelopePart;
use sunbid_contracts::tender::v1::{PartClass, PartRequirement};
use sunbid_sealing::{
    Bundle, CHUNK, CheckedHeader, Class, Header, HeaderError, Label, PayloadTree, Subject, TAG,
    leaf_hash,
};

use super::TenderBox;
use super::desk::deadline_seconds;
use super::fault::{Duty, Fault};

/// Largest number of envelopes a bid can have: part numbers are one byte.
const MOST_PARTS: usize = 256;

/// What a bid claims to be.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    pub lot_id: &'a str,
    pub credit_code: &'a str,
    pub revision: u32,
    pub headers: &'a [Vec<u8>],
}

/// Envelopes that belong together and conform to the tender.
#[derive(Clone, Debug)]
pub struct Envelopes {
    pub parts: Vec<EnvelopePart>,
    pub bundle: [u8; 32],
    /// The deadline they are sealed for, whole seconds.
    pub not_before: u64,
}

/// Checks all envelopes of a bid against the tender; every fault is told.
pub fn check_envelopes(tender_box: &TenderBox, claim: &Claim<'_>) -> Result<Envelopes, Vec<Fault>> {
    let mut faults = Vec::new();
    let mut headers = Vec::new();
    if claim.headers.len() > MOST_PARTS {
        let count = claim.headers.len();
        return Err(vec![Fault::new(
            "E2",
            Duty::Sealing,
            "headers",
            format!("共{count}个部分，最多{MOST_PARTS}个。"),
            format!("{count} parts were sent, at most {MOST_PARTS} are taken."),
        )]);
    }
    for (at, bytes) in claim.headers.iter().enumerate() {
        match check_one(tender_box, claim, bytes) {
            Ok(header) => headers.push(header),
            Err(fault) => faults.push(Fault {
                field: format!("headers[{at}]"),
                ..fault
            }),
        }
    }
    if faults.is_empty() {
        faults.extend(missing_parts(tender_box, &headers));
        faults.extend(order(&headers));
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let references: Vec<&CheckedHeader> = headers.iter().collect();
    let bundle = Bundle::of(&references).map_err(|error| {
        vec![Fault::new(
            "E2",
            Duty::Sealing,
            "headers",
            format!("各部分不构成一份投标文件：{error}"),
            format!("The parts do not make one bid: {error}"),
        )]
    })?;
    let parts = headers
        .iter()
        .map(|header| EnvelopePart {
            header: header.encode(),
            header_id: header.id().to_vec(),
            part: i32::from(header.subject().part),
            payload_bytes: i64::try_from(header.payload_length()).unwrap_or(i64::MAX),
            payload_root: header.payload_root().to_vec(),
        })
        .collect();
    Ok(Envelopes {
        parts,
        bundle: bundle.id(),
        not_before: deadline_seconds(tender_box),
    })
}

/// Checks a sealed payload that is at hand against its header's length and root (E7).
pub fn check_payload(part: &EnvelopePart, payload: &[u8]) -> bool {
    let mut tree = PayloadTree::default();
    for chunk in payload.chunks(CHUNK + TAG) {
        tree.push(leaf_hash(chunk));
    }
    i64::try_from(payload.len()) == Ok(part.payload_bytes)
        && tree.root().as_slice() == part.payload_root
}

fn check_one(
    tender_box: &TenderBox,
    claim: &Claim<'_>,
    bytes: &[u8],
) -> Result<CheckedHeader, Fault> {
    let header = Header::parse(bytes).map_err(|error| told(&error))?;
    let number = header.subject().part;
    let Some(required) = tender_box
        .parts
        .iter()
        .find(|part| part.part == i32::from(number))
    else {
        return Err(sealing(
            format!("招标文件没有规定第{number}部分。"),
            format!("The tender knows no part {number}."),
        ));
    };
    let checked = header.check().map_err(|error| told(&error))?;
    let expected = expected(tender_box, claim, required).ok_or_else(|| {
        sealing(
            "招标文件的规定无法封装。",
            "The tender prescribes what no envelope can say.",
        )
    })?;
    let key_id: &[u8; 32] = tender_box.key_id.as_slice().try_into().map_err(|_| {
        sealing(
            "招标项目没有可用的开标密钥。",
            "The tender has no usable key.",
        )
    })?;
    checked
        .agrees_with(key_id, &expected)
        .map_err(|error| told(&error))?;
    let bytes = checked.payload_length();
    let most = required.max_bytes;
    if i64::try_from(bytes).map_or(true, |bytes| bytes > most) {
        return Err(Fault::new(
            "E5",
            Duty::Sealing,
            "",
            format!("第{number}部分密文{bytes}字节，招标文件规定不超过{most}字节。"),
            format!("Part {number} has {bytes} sealed bytes, the tender takes at most {most}."),
        ));
    }
    Ok(checked)
}

fn expected(
    tender_box: &TenderBox,
    claim: &Claim<'_>,
    required: &PartRequirement,
) -> Option<Subject> {
    Some(Subject {
        tender: Label::new(&tender_box.tender).ok()?,
        lot: Label::new(claim.lot_id).ok()?,
        part: u8::try_from(required.part).ok()?,
        class: match PartClass::try_from(required.class).ok()? {
            PartClass::OpeningSheet => Class::Public,
            PartClass::Evaluation => Class::Evaluators,
            PartClass::SecondStage => Class::AfterDecision,
            PartClass::Unspecified => return None,
        },
        bidder: Label::new(claim.credit_code).ok()?,
        revision: claim.revision,
        not_before: deadline_seconds(tender_box),
    })
}

fn missing_parts(tender_box: &TenderBox, headers: &[CheckedHeader]) -> Option<Fault> {
    let missing: Vec<String> = tender_box
        .parts
        .iter()
        .filter(|part| part.required)
        .filter(|part| {
            !headers
                .iter()
                .any(|h| i32::from(h.subject().part) == part.part)
        })
        .map(|part| format!("{}（{}）", part.part, part.title))
        .collect();
    if headers.is_empty() || !missing.is_empty() {
        let missing = missing.join("、");
        return Some(Fault::new(
            "E2",
            Duty::Sealing,
            "headers",
            format!("投标文件不完整，缺少：{missing}。"),
            format!("The bid is not whole; missing: {missing}."),
        ));
    }
    None
}

fn order(headers: &[CheckedHeader]) -> Option<Fault> {
    let sorted = headers.is_sorted_by(|left, right| left.subject().part < right.subject().part);
    (!sorted).then(|| {
        Fault::new(
            "E2",
            Duty::Sealing,
            "headers",
            "各部分应按编号从小到大排列，每个编号一次。",
            "Parts must come in ascending order of their numbers, each once.",
        )
    })
}

fn sealing(zh: impl Into<String>, en: impl Into<String>) -> Fault {
    Fault::new("E2", Duty::Sealing, "", zh, en)
}

fn told(error: &HeaderError) -> Fault {
    let (code, duty, zh) = match error {
        HeaderError::Form(_) => ("E1", Duty::Sealing, "封装头不是规范格式".to_owned()),
        HeaderError::Suite(_) | HeaderError::Class { .. } => (
            "E2",
            Duty::Sealing,
            "封装头的算法套件或类别不被接受".to_owned(),
        ),
        HeaderError::Differs {
            field,
            expected,
            found,
        } => (
            "E2",
            Duty::Sealing,
            format!("封装头的{field}为{found}，应为{expected}"),
        ),
        HeaderError::Element { field, .. } => {
            ("E3", Duty::Sealing, format!("封装头的群元素{field}无效"))
        }
        HeaderError::Proof => ("E4", Duty::Proof, "封装证明不成立".to_owned()),
        HeaderError::PayloadLength { length } => (
            "E5",
            Duty::Sealing,
            format!("密文长度{length}字节不是任何填充后的长度"),
        ),
    };
    // The code stands before every fault already.
    let en = error.to_string().replace(&format!(" ({code})"), "");
    Fault::new(code, duty, "", format!("{zh}。"), en)
}
