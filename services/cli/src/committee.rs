//! Whom a bid is sealed to: the tender's key is recomputed from the ceremony's signed messages, and
//! every holder must have signed for its own keys with its certificate, before anything is sealed. A
//! key or a holder that the platform merely states is never used.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail, ensure};
use sunbid_contracts::{
    notice::v1::{ListNoticesRequest, NoticeKind},
    tender::v1::{Ceremony, GetCeremonyRequest, Holder, Tender},
};
use sunbid_domain::tender::{ceremony, hash::document_hash, vouched};

use crate::{connection::Connection, output::Output};

/// The ceremony of a tender, if it makes the tender's key out of the announced tender.
pub async fn checked(connection: &Connection, tender: &Tender) -> anyhow::Result<Ceremony> {
    let request = GetCeremonyRequest {
        tender: tender.name.clone(),
    };
    let found = connection
        .tender()
        .get_ceremony(request)
        .await?
        .into_inner()
        .ceremony;
    let found = found.context("the tender has no key ceremony")?;
    let key = ceremony::verify(&found).context("the key ceremony does not verify; seal nothing")?;
    let anchors = connection.anchors()?;
    vouched::check(&found, anchors.origin()?, &anchors.roots()?).context("seal nothing")?;
    let known = &anchors.holders;
    if let Some(other) = found
        .holders
        .iter()
        .find(|one| !known.is_empty() && !is_known(known, one))
    {
        bail!(
            "the key of holder {}, {} ({}), is not the one pinned in the profile; seal nothing",
            other.index,
            other.display_name,
            other.organization
        );
    }
    ensure!(
        found.tender == tender.name
            && key.id().as_slice() == tender.key_id
            && key.sealing().element().as_bytes().as_slice() == tender.public_key,
        "the tender's key is not the one its ceremony made; seal nothing"
    );
    let request = ListNoticesRequest {
        tender: tender.name.clone(),
        kind: NoticeKind::Tender as i32,
        ..ListNoticesRequest::default()
    };
    let notices = connection
        .notice()
        .list_notices(request)
        .await?
        .into_inner()
        .notices;
    let announced = notices.into_iter().find_map(|notice| notice.announced);
    let announced = announced.context("the tender was not announced")?;
    ensure!(
        announced.key_id == tender.key_id
            && announced.parts == tender.parts
            && announced.evaluator_key == tender.evaluator_key
            && announced.holders == found.holders
            && announced.threshold == found.threshold
            && document_hash(&announced).as_slice() == found.tender_hash,
        "the ceremony was not held for the tender as it was announced; seal nothing"
    );
    Ok(found)
}

/// Whether a holder's key is the one that was pinned for its credit code.
fn is_known(known: &BTreeMap<String, [u8; 32]>, holder: &Holder) -> bool {
    let code = holder.organization.strip_prefix("organizations/");
    let key = code.and_then(|code| known.get(code));
    key.is_some_and(|key| key.as_slice() == holder.identity_key)
}

/// The institutions whose agreement opens a bid, for the supplier to recognise and compare.
pub fn show(ceremony: &Ceremony, output: Output) -> String {
    let mut text = format!(
        "{} {} / {}",
        output.say(
            "开标需要的持钥机构数：",
            "Institutions that must act to open:"
        ),
        ceremony.threshold,
        ceremony.holders.len()
    );
    for holder in &ceremony.holders {
        text.push_str(&format!(
            "\n  {} {} {}",
            holder.display_name,
            holder.organization,
            hex::encode(&holder.identity_key)
        ));
    }
    text.push_str(output.say(
        "\n上述公钥均由各机构以其数字证书签名确认：少于上述门限的机构合谋不能提前开标，达到门限则可以。",
        "\nEach institution has signed for its key with its certificate: fewer than that many cannot open early, that many can.",
    ));
    text
}
