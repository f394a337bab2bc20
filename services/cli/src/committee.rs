//! Whom a bid is sealed to: the tender's key is recomputed from the ceremony's signed messages before
//! anything is sealed to it. A key that the platform merely states is never used.

use anyhow::{Context as _, ensure};
use sunbid_contracts::{
    notice::v1::{ListNoticesRequest, NoticeKind},
    tender::v1::{Ceremony, GetCeremonyRequest, Tender},
};
use sunbid_domain::tender::{ceremony, hash::document_hash};

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
        "\n请与各机构公布的公钥核对：少于上述门限的机构合谋不能提前开标，达到门限则可以。",
        "\nCompare these keys with what the institutions publish: fewer than that many cannot open early, that many can.",
    ));
    text
}
