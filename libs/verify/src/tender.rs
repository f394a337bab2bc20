//! The tender's own log: its state is the fold of its records, its key the one that its holders
//! made together and rehearsed, for exactly the document that was announced.

use sunbid_contracts::tender::v1::{Ceremony, CeremonyState, Holder, Tender};
use sunbid_domain::Aggregate;
use sunbid_domain::tender::ceremony::{self, RecordError};
use sunbid_domain::tender::{Dossier, hash};
use sunbid_sealing::TenderKey;

use crate::fault::{Culprit, Fault};
use crate::log::{Entry, Log};
use crate::report::{Expectations, Tally};

/// The state that some records of the tender's log lead to.
pub(crate) fn fold(log: &Log, entries: &[Entry]) -> Result<Dossier, Fault> {
    let mut dossier = Dossier::default();
    for entry in entries {
        let said = entry.said.as_ref().map(|said| &said.event);
        let event = said.ok_or_else(|| {
            log.fault(
                "BODY_WITHHELD",
                entry.seq,
                "该记录的内容应当公开。",
                "The body of this record is withheld, and may not be.",
            )
        })?;
        dossier.evolve(event, entry.at).map_err(|error| {
            log.fault(
                "TENDER_HISTORY",
                entry.seq,
                "该事件不能发生在此前的状态之后。",
                format!("This cannot have happened here: {error}."),
            )
        })?;
    }
    Ok(dossier)
}

/// The holders are those whom the caller knows.
pub(crate) fn check_pinned(holders: &[Holder], expectations: &Expectations) -> Result<(), Fault> {
    if expectations.holders.is_empty() {
        return Ok(());
    }
    for holder in holders {
        let code = holder
            .organization
            .strip_prefix("organizations/")
            .unwrap_or_default();
        if expectations.holders.get(code).map(<[u8; 32]>::as_slice)
            != Some(holder.identity_key.as_slice())
        {
            return Err(Fault::platform(
                "HOLDER_KEY",
                "logs/tender.pb",
                format!("持有机构{code}的身份公钥与所知的不同。"),
                format!(
                    "The identity key of holder {} ({code}) is not the one that was expected.",
                    holder.index
                ),
            ));
        }
    }
    Ok(())
}

/// The ceremony is whole, rehearsed, and made the key that was announced, for what was announced.
pub(crate) fn check_ceremony(
    log: &Log,
    ceremony: Option<&Ceremony>,
    announced: &Tender,
    tally: &mut Tally,
) -> Result<TenderKey, Fault> {
    let fault = |zh: &str, en: &str| Fault::platform("CEREMONY", log.path.clone(), zh, en);
    let ceremony = ceremony
        .filter(|ceremony| ceremony.state() == CeremonyState::Done)
        .ok_or_else(|| {
            fault(
                "公告之前没有完成的密钥仪式。",
                "No key ceremony was completed before the notice.",
            )
        })?;
    let key = ceremony::verify(ceremony).map_err(|error| {
        let culprit = match &error {
            RecordError::Fault(fault) if fault.holder > 0 => Culprit::Holder(fault.holder),
            _ => Culprit::Platform,
        };
        Fault::new(
            "CEREMONY",
            culprit,
            log.path.clone(),
            "密钥仪式的公开记录验证不通过。",
            format!("The ceremony's record does not verify: {error}"),
        )
    })?;
    if ceremony.tender_hash != hash::document_hash(announced) || ceremony.tender != announced.name {
        return Err(fault(
            "密钥不是为所公告的文件生成的。",
            "The key was not made for the document that was announced.",
        ));
    }
    if ceremony.holders != announced.holders || ceremony.threshold != announced.threshold {
        return Err(fault(
            "公告的持有机构不是参加仪式的机构。",
            "The holders announced are not those of the ceremony.",
        ));
    }
    let same =
        announced.key_id == key.id() && announced.public_key == key.sealing().element().as_bytes();
    if !same {
        return Err(fault(
            "公告的公钥不是仪式产生的公钥。",
            "The key announced is not the one that the ceremony made.",
        ));
    }
    tally.add(
        "密钥仪式消息（含全部持有机构的证书与演练）",
        "ceremony messages, with all holders' certificates and rehearsal",
        ceremony.messages.len(),
    );
    Ok(key)
}
