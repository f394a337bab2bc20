//! Drafts: what a tender must say to be one, and who may change it while it is.
//! Rules of law are not judged here: a draft may break them and is told so; its notice is refused.

use sunbid_contracts::{
    common::v1::{Category, FileDigest, Track},
    tender::v1::{DocumentAdded, Tender, TenderCreated, TenderState, TenderUpdated},
};
use sunbid_rules::Jurisdiction;
use sunbid_terms::{CreditCode, DealClass, DealCode, Instant};

use crate::{Event, Refusal, refusal::FieldCheck};

use super::{
    Dossier,
    form::{check_document, check_tender},
    stage::{not_held, wrong_state},
};

const MOST_DOCUMENTS: usize = 100;
/// Who drafts.
#[derive(Clone, Copy, Debug)]
pub struct Author<'a> {
    /// "organizations/{credit_code}/subjects/{id}".
    pub subject: &'a str,
    /// "organizations/{credit_code}".
    pub organization: &'a str,
}

/// A new draft. `name` and `serial` are random; the serial becomes part of the transaction code.
/// The code names the purchaser as its operator: this platform has no code of its own on record.
pub fn create(
    dossier: &Dossier,
    asked: &Tender,
    author: Author<'_>,
    name: &str,
    serial: u32,
    now: Instant,
) -> Result<Vec<Event>, Refusal> {
    if dossier.tender.is_some() {
        return Err(Refusal::state(
            "TENDER_EXISTS",
            "项目已存在。",
            "The tender exists already.",
        ));
    }
    let asked = &placed(asked);
    let mut check = FieldCheck::new();
    check_tender(&mut check, asked);
    check.finish()?;
    let code = author
        .organization
        .strip_prefix("organizations/")
        .unwrap_or_default();
    let operator = CreditCode::parse(code).map_err(|_| Refusal::Forbidden)?;
    let class = match (asked.track(), asked.category()) {
        (Track::Engineering, _) => DealClass::Engineering,
        (_, Category::Works) => DealClass::Works,
        (_, Category::Services) => DealClass::Services,
        _ => DealClass::Goods,
    };
    let deal_code = DealCode::new(class, &operator, now, serial)
        .map_err(|error| Refusal::field("tender", error.to_string(), error.to_string()))?;
    let tender = Tender {
        name: name.to_owned(),
        deal_code: deal_code.as_str().to_owned(),
        purchaser: author.organization.to_owned(),
        author: author.subject.to_owned(),
        authors: vec![author.subject.to_owned()],
        create_time_us: now.micros(),
        documents: Vec::new(),
        ..as_draft(asked)
    };
    Ok(vec![Event::of(&TenderCreated {
        tender: Some(tender),
    })])
}

/// The rules of the whole country apply where no place is named.
fn placed(asked: &Tender) -> Tender {
    let mut placed = asked.clone();
    if placed.jurisdiction.is_empty() {
        Jurisdiction::china()
            .as_str()
            .clone_into(&mut placed.jurisdiction);
    }
    placed
}

/// A changed draft. A tender whose key stood, or whose ceremony failed, is a draft again.
pub fn update(
    dossier: &Dossier,
    asked: &Tender,
    author: Author<'_>,
) -> Result<Vec<Event>, Refusal> {
    let old = editable(dossier, author.organization)?;
    if asked.etag != old.etag {
        return Err(Refusal::Outdated {
            what: old.name.clone(),
        });
    }
    let asked = &placed(asked);
    let mut check = FieldCheck::new();
    check_tender(&mut check, asked);
    check.require(
        asked.track == old.track,
        "tender.track",
        "适用法律在项目建立时确定，不能更改；请另建项目。",
        "is fixed when the tender is created; create another tender.",
    );
    check.require(
        asked.jurisdiction == old.jurisdiction,
        "tender.jurisdiction",
        "适用地区在项目建立时确定，不能更改。",
        "is fixed when the tender is created.",
    );
    let known = |document: &FileDigest| {
        old.documents
            .iter()
            .any(|one| one.sha256 == document.sha256)
    };
    check.require(
        asked.documents.iter().all(known),
        "tender.documents",
        "只能保留已上传的文件，新文件请通过上传添加。",
        "can only keep what was uploaded; new documents are added by uploading.",
    );
    check.finish()?;
    let stays = |document: &&FileDigest| {
        asked.documents.is_empty()
            || asked
                .documents
                .iter()
                .any(|one| one.sha256 == document.sha256)
    };
    let mut authors = old.authors.clone();
    if !authors.iter().any(|one| one == author.subject) {
        authors.push(author.subject.to_owned());
    }
    let tender = Tender {
        name: old.name.clone(),
        deal_code: old.deal_code.clone(),
        purchaser: old.purchaser.clone(),
        author: old.author.clone(),
        authors,
        create_time_us: old.create_time_us,
        documents: old.documents.iter().filter(stays).cloned().collect(),
        ..as_draft(asked)
    };
    Ok(vec![Event::of(&TenderUpdated {
        tender: Some(tender),
    })])
}

/// A document whose bytes are stored.
pub fn add_document(
    dossier: &Dossier,
    organization: &str,
    author: &str,
    document: &FileDigest,
) -> Result<Vec<Event>, Refusal> {
    let tender = may_add_document(dossier, organization, document)?;
    if tender
        .documents
        .iter()
        .any(|one| one.sha256 == document.sha256)
    {
        return Ok(Vec::new());
    }
    Ok(vec![Event::of(&DocumentAdded {
        document: Some(document.clone()),
        author: author.to_owned(),
    })])
}

/// Whether a document may be added, asked before its bytes are taken.
pub fn may_add_document<'a>(
    dossier: &'a Dossier,
    organization: &str,
    document: &FileDigest,
) -> Result<&'a Tender, Refusal> {
    let tender = editable(dossier, organization)?;
    if tender.state() != TenderState::Draft {
        return Err(wrong_state(
            tender,
            "请先修改草稿",
            "change the draft first",
        ));
    }
    let mut check = FieldCheck::new();
    check_document(&mut check, document);
    check.require(
        tender.documents.len() < MOST_DOCUMENTS,
        "header.document",
        format!("最多{MOST_DOCUMENTS}个文件。"),
        format!("at most {MOST_DOCUMENTS} documents are taken."),
    );
    check.finish()?;
    Ok(tender)
}

fn editable<'a>(dossier: &'a Dossier, organization: &str) -> Result<&'a Tender, Refusal> {
    let own = |tender: &&Tender| tender.purchaser == organization && !organization.is_empty();
    dossier
        .tender
        .as_ref()
        .filter(own)
        .ok_or(Refusal::Forbidden)?;
    let tender = not_held(dossier)?;
    let failed = || {
        use sunbid_contracts::tender::v1::CeremonyState::Failed;
        dossier
            .ceremony
            .as_ref()
            .is_some_and(|ceremony| ceremony.state() == Failed)
    };
    match tender.state() {
        TenderState::Draft | TenderState::Ready => Ok(tender),
        TenderState::Ceremony if failed() => Ok(tender),
        TenderState::Ceremony => Err(wrong_state(
            tender,
            "仪式期间不能修改",
            "it cannot be changed while the ceremony runs",
        )),
        _ => Err(wrong_state(
            tender,
            "公告后只能通过澄清修改",
            "after the notice only clarifications change it",
        )),
    }
}

/// What a purchaser states, without any output field.
fn as_draft(asked: &Tender) -> Tender {
    Tender {
        state: TenderState::Draft as i32,
        reviews: Vec::new(),
        hold: None,
        holders: Vec::new(),
        threshold: 0,
        key_id: Vec::new(),
        public_key: Vec::new(),
        etag: 0,
        announce_time_us: 0,
        state_reason: String::new(),
        ..asked.clone()
    }
}

/// Whether a text is `{collection}/{uuid}` in its canonical form.
pub(crate) fn is_name(collection: &str, name: &str) -> bool {
    let Some(id) = name
        .strip_prefix(collection)
        .and_then(|rest| rest.strip_prefix('/'))
    else {
        return false;
    };
    let groups: Vec<&str> = id.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && id
            .bytes()
            .all(|b| matches!(b, b'-' | b'0'..=b'9' | b'a'..=b'f'))
}
