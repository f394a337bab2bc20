//! The public log: its checkpoint, who witnessed it, and that every log of the tender stood in it.

use std::collections::BTreeSet;

use sunbid_contracts::audit::v1::HeadProof as Message;
use sunbid_contracts::tender::v1::Holder;
use sunbid_proofs::note::ED25519_COSIGNATURE;
use sunbid_proofs::{Checkpoint, EpochLeaf, HeadProof, LogId, Note, Verifier, cosignature};
use sunbid_terms::Instant;

use crate::fault::{Culprit, Fault};
use crate::index::{CHECKPOINT, Files};
use crate::log::Log;
use crate::report::Tally;

/// Clocks of two machines may differ by so much, seconds. The law's periods are days.
const SKEW_SECONDS: i64 = 60;

/// The checkpoint, signed by the log and by at least `threshold` distinct holders.
pub(crate) fn read(
    files: &Files,
    holders: &[Holder],
    threshold: usize,
    tally: &mut Tally,
) -> Result<Checkpoint, Fault> {
    let raw = files.wanted(CHECKPOINT)?;
    let (checkpoint, note) = Checkpoint::open(raw, &files.log_key).map_err(|error| {
        Fault::platform(
            "CHECKPOINT_SIGNATURE",
            CHECKPOINT,
            "公开日志的检查点没有该日志的有效签名。",
            format!("The checkpoint is not one that the public log signed: {error}."),
        )
    })?;
    if note.format().as_bytes() != raw {
        return Err(Fault::records(
            "CHECKPOINT_FORM",
            CHECKPOINT,
            "检查点不是规范格式。",
            "The checkpoint is not in its canonical form.",
        ));
    }
    let mut witnesses = BTreeSet::new();
    for holder in holders {
        if witnessed(&note, holder)? {
            witnesses.insert(holder.index);
        }
    }
    if witnesses.len() < threshold {
        return Err(Fault::platform(
            "CHECKPOINT_WITNESSES",
            CHECKPOINT,
            format!(
                "检查点只有{}家持有机构的见证签名，需要{threshold}家。",
                witnesses.len()
            ),
            format!(
                "{} holders have witnessed the checkpoint, {threshold} are needed.",
                witnesses.len()
            ),
        ));
    }
    tally.add(
        "检查点的见证签名（持有机构）",
        "cosignatures of holders on the checkpoint",
        witnesses.len(),
    );
    Ok(checkpoint)
}

/// A line in a holder's name must be the holder's; without one it has not witnessed.
fn witnessed(note: &Note, holder: &Holder) -> Result<bool, Fault> {
    let code = holder
        .organization
        .strip_prefix("organizations/")
        .unwrap_or_default();
    let key = holder.identity_key.as_slice().try_into().ok();
    let witness = key
        .and_then(|key| Verifier::new(&format!("{code}.witness"), ED25519_COSIGNATURE, key).ok());
    let Some(witness) = witness else {
        return Ok(false);
    };
    let own = |line: &&sunbid_proofs::Signature| {
        line.name == witness.name() && line.key_id == witness.key_id()
    };
    if !note.signatures.iter().any(|line| own(&line)) {
        return Ok(false);
    }
    cosignature::find(note, &witness)
        .map(|_| true)
        .map_err(|_| {
            let index = u16::try_from(holder.index).unwrap_or(0);
            Fault::platform(
                "COSIGNATURE_FORGED",
                CHECKPOINT,
                format!("检查点上署名{code}的见证签名是伪造的。"),
                format!("The cosignature in the name of holder {index} ({code}) is not its own."),
            )
        })
}

/// Every proof of a log holds; the first is for the whole log at the checkpoint's last epoch.
pub(crate) fn check_proofs(
    log: &Log,
    checkpoint: &Checkpoint,
    tally: &mut Tally,
) -> Result<(), Fault> {
    let fault = |zh: &str, en: &str| Fault::platform("HEAD_PROOF", log.path.clone(), zh, en);
    let proofs = log
        .proofs
        .iter()
        .map(|message| {
            let proof = proof(message).ok_or_else(|| {
                fault(
                    "日志头证明不是规范格式。",
                    "A proof of the log's head is malformed.",
                )
            })?;
            proof.verify(checkpoint).map_err(|error| {
                fault(
                    "日志头不在公开日志中。",
                    &format!("The log's head is not shown to be in the public log: {error}."),
                )
            })?;
            Ok((message, proof))
        })
        .collect::<Result<Vec<_>, Fault>>()?;
    let Some((first, _)) = proofs.first() else {
        return Err(fault(
            "缺少日志头证明。",
            "There is no proof that the log is in the public log.",
        ));
    };
    if first.head != Some(log.head())
        || u64::try_from(first.epoch).ok().map(|epoch| epoch + 1) != Some(checkpoint.size)
    {
        return Err(fault(
            "首个证明不是最新一期中的全部日志。",
            "The first proof is not that of the whole log in the checkpoint's last epoch.",
        ));
    }
    for (message, proof) in &proofs {
        let prefix = message.head.as_ref().and_then(|head| log.prefix(head));
        let Some(prefix) = prefix else {
            return Err(fault(
                "公开日志见证过另一份记录。",
                "The public log saw other records of this log than these.",
            ));
        };
        let seen = Instant::from_micros(proof.epoch.at).plus_seconds(SKEW_SECONDS);
        if let Some(last) = prefix.last().filter(|last| last.at > seen) {
            return Err(log.fault(
                "RECORD_AFTER_EPOCH",
                last.seq,
                "记录的时间晚于已见证它的公开日志时间。",
                "The record carries a later time than the epoch that already saw it.",
            ));
        }
    }
    let grows = |one: &HeadProof, other: &HeadProof| {
        one.epoch.epoch <= other.epoch.epoch || one.size >= other.size
    };
    if proofs
        .iter()
        .any(|(_, one)| proofs.iter().any(|(_, other)| !grows(one, other)))
    {
        return Err(fault(
            "公开日志中该日志曾变短。",
            "The log became shorter between two epochs.",
        ));
    }
    tally.add(
        "公开日志中的日志头证明",
        "proofs of logs' heads in the public log",
        proofs.len(),
    );
    Ok(())
}

/// The closing of bids lies between two neighbouring epochs of the public log: what stood before it
/// was committed to before, and nothing was put in later.
pub(crate) fn check_around(log: &Log, closed: u64) -> Result<(), Fault> {
    let sizes: Vec<(u64, u64)> = log
        .proofs
        .iter()
        .filter_map(|p| {
            Some((
                u64::try_from(p.epoch).ok()?,
                u64::try_from(p.head.as_ref()?.size).ok()?,
            ))
        })
        .collect();
    let after = sizes
        .iter()
        .filter(|(_, size)| *size >= closed)
        .map(|(epoch, _)| *epoch)
        .min();
    let before = sizes
        .iter()
        .filter(|(_, size)| *size < closed)
        .map(|(epoch, _)| *epoch)
        .max();
    match (before, after) {
        (Some(before), Some(after)) if before + 1 == after => Ok(()),
        _ => Err(Fault::new(
            "CLOSING_EPOCHS",
            Culprit::Platform,
            log.path.clone(),
            "截标前后的两期公开日志证明不相邻。",
            "The proofs around the closing are not of two neighbouring epochs.",
        )),
    }
}

fn proof(message: &Message) -> Option<HeadProof> {
    let head = message.head.as_ref()?;
    let hash = |bytes: &[u8]| <[u8; 32]>::try_from(bytes).ok();
    let hashes = |all: &[Vec<u8>]| all.iter().map(|one| hash(one)).collect::<Option<Vec<_>>>();
    let path = hashes(&message.path)?;
    let (size, root, blind) = (
        u64::try_from(head.size).ok()?,
        hash(&head.root)?,
        hash(&message.blind)?,
    );
    let (index, leaves) = (
        u64::try_from(message.index).ok()?,
        u64::try_from(message.leaves).ok()?,
    );
    let log = LogId::from_slice(&head.log_id)?;
    let leaf = sunbid_proofs::blinded_leaf(&blind, log, size, &root);
    // The epoch's root is not carried: it is what the path leads to, and the public path proves it.
    let epoch = EpochLeaf {
        epoch: u64::try_from(message.epoch).ok()?,
        root: climb(leaf, index, leaves, &path)?,
        at: message.at_us,
    };
    let inclusion = hashes(&message.public_path)?;
    Some(HeadProof {
        log,
        size,
        root,
        blind,
        index,
        leaves,
        path,
        epoch,
        inclusion,
    })
}

/// The root that an audit path leads to (RFC 9162, 2.1.3.2).
fn climb(leaf: [u8; 32], index: u64, size: u64, path: &[[u8; 32]]) -> Option<[u8; 32]> {
    use sunbid_proofs::merkle::node_hash;
    let (mut node, mut last) = (index, size.checked_sub(1)?);
    if index > last {
        return None;
    }
    let mut root = leaf;
    for sibling in path {
        if last == 0 {
            return None;
        }
        if node & 1 == 1 || node == last {
            root = node_hash(sibling, &root);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            root = node_hash(&root, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(root)
}
