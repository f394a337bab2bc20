//! Logs in the making, and how a platform publishes them: records, epochs, witnesses, index.

use std::collections::BTreeMap;

use prost::Message;
use sunbid_contracts::audit::v1::{DisclosedLog, DisclosedReceipts, HeadProof, TrustAnchors};
use sunbid_contracts::bid::v1::Receipt;
use sunbid_contracts::common::v1::{LogHead, Record as Body, Verdict};
use sunbid_contracts::journal::v1::LogEntry;
use sunbid_domain::Event;
use sunbid_proofs::hash::{Hash, sha256};
use sunbid_proofs::merkle::{inclusion_proof, root_of};
use sunbid_proofs::record::{Record, RecordHeader, leaf};
use sunbid_proofs::{
    Checkpoint, EpochLeaf, LogId, Note, Signer, StreamId, blinded_leaf, cosignature,
};
use sunbid_terms::Instant;

pub const ORIGIN: &str = "sunbid.example";

pub type Files = BTreeMap<String, Vec<u8>>;

/// A record before it is sealed into its log.
#[derive(Clone, Debug)]
pub struct Raw {
    pub stream: StreamId,
    pub event: Event,
    pub verdicts: Vec<Verdict>,
    pub at: Instant,
    pub withheld: bool,
}

/// One service's log.
#[derive(Clone, Debug)]
pub struct Chronicle {
    pub service: &'static str,
    pub scope: String,
    pub raws: Vec<Raw>,
}

impl Chronicle {
    pub fn new(service: &'static str, scope: &str) -> Self {
        Self {
            service,
            scope: scope.to_owned(),
            raws: Vec::new(),
        }
    }

    pub fn id(&self) -> LogId {
        LogId::of(self.service, &self.scope)
    }

    pub fn push(&mut self, stream: &str, event: Event, verdicts: Vec<Verdict>, at: Instant) {
        self.raws.push(Raw {
            stream: StreamId::of(stream),
            event,
            verdicts,
            at,
            withheld: false,
        });
    }

    pub fn entries(&self) -> Vec<LogEntry> {
        let mut versions: BTreeMap<StreamId, u64> = BTreeMap::new();
        let sealed = self.raws.iter().zip(0_u64..).map(|(raw, seq)| {
            let body = Body {
                r#type: raw.event.name.clone(),
                event: raw.event.bytes.clone(),
                actor: format!("services/{}", self.service),
                command_id: vec![0; 16],
                verdicts: raw.verdicts.clone(),
            };
            let salt = sha256(&[self.id().as_bytes(), &seq.to_be_bytes()]);
            let salted = [salt.as_slice(), &body.encode_to_vec()].concat();
            let version = versions.entry(raw.stream).or_default();
            *version += 1;
            let header = RecordHeader {
                log: self.id(),
                seq,
                stream: raw.stream,
                version: *version,
                at: raw.at.micros(),
            };
            LogEntry {
                seq: seq as i64,
                record: Record::new(header, &salted).encode(),
                salted_body: (!raw.withheld).then_some(salted),
            }
        });
        sealed.collect()
    }

    pub fn leaves(&self) -> Vec<Hash> {
        self.entries()
            .iter()
            .map(|entry| leaf(&entry.record))
            .collect()
    }

    pub fn head_at(&self, size: usize) -> LogHead {
        let leaves = self.leaves();
        LogHead {
            log_id: self.id().as_bytes().to_vec(),
            size: size as i64,
            root: root_of(&leaves[..size]).to_vec(),
        }
    }

    pub fn head(&self) -> LogHead {
        self.head_at(self.raws.len())
    }
}

/// Everything that is published, with the keys to publish it.
pub struct Archive {
    pub tender: String,
    /// By file name without ".pb".
    pub logs: BTreeMap<&'static str, Chronicle>,
    pub receipts: Vec<Receipt>,
    pub envelopes: BTreeMap<[u8; 32], Vec<u8>>,
    pub documents: Vec<Vec<u8>>,
    pub anchors: TrustAnchors,
    /// Names and seeds of the witnesses.
    pub witnesses: Vec<(String, [u8; 32])>,
    /// When the epoch before the closing was made, and the size of each log in it.
    pub before: (Instant, BTreeMap<&'static str, usize>),
    pub after: Instant,
}

pub fn log_signer() -> Signer {
    Signer::from_seed(&format!("{ORIGIN}/log"), &[70; 32]).unwrap()
}

impl Archive {
    /// All files, the index among them.
    pub fn publish(&self) -> Files {
        let mut files = Files::new();
        let full: BTreeMap<&'static str, usize> = self
            .logs
            .iter()
            .map(|(name, log)| (*name, log.raws.len()))
            .collect();
        let epochs = [
            Epoch::of(self, 0, self.before.0, &self.before.1),
            Epoch::of(self, 1, self.after, &full),
        ];
        let public: Vec<Hash> = epochs.iter().map(|epoch| epoch.leaf.leaf()).collect();
        for (name, log) in &self.logs {
            let mut proofs = vec![epochs[1].proof(name, &public).unwrap()];
            if *name == "bid" {
                proofs.extend(epochs[0].proof(name, &public));
            }
            let disclosed = DisclosedLog {
                service: log.service.to_owned(),
                scope: log.scope.clone(),
                head: Some(log.head()),
                entries: log.entries(),
                proofs,
            };
            files.insert(format!("logs/{name}.pb"), disclosed.encode_to_vec());
        }
        let checkpoint = Checkpoint {
            origin: format!("{ORIGIN}/log"),
            size: 2,
            root: root_of(&public),
        };
        let mut note = checkpoint.sign(&log_signer()).unwrap();
        for (name, seed) in &self.witnesses {
            let witness = Signer::witness_from_seed(name, seed).unwrap();
            let time = self.after.seconds() as u64;
            note.signatures
                .push(cosignature::cosign(&witness, &note.text, time).unwrap());
        }
        files.insert("checkpoint.note".to_owned(), note.format().into_bytes());
        files.insert("anchors.pb".to_owned(), self.anchors.encode_to_vec());
        let receipts = DisclosedReceipts {
            receipts: self.receipts.clone(),
        };
        files.insert("receipts.pb".to_owned(), receipts.encode_to_vec());
        for (root, bytes) in &self.envelopes {
            files.insert(
                format!("envelopes/{}.sealed", hex::encode(root)),
                bytes.clone(),
            );
        }
        for document in &self.documents {
            files.insert(
                format!("documents/{}", hex::encode(sha256(&[document]))),
                document.clone(),
            );
        }
        reindex(&mut files, &self.tender);
        files
    }
}

/// Writes and signs the index anew, as only the platform can.
pub fn reindex(files: &mut Files, tender: &str) {
    files.remove("index.note");
    let mut text = format!("sunbid-disclosure/v1\n{tender}\n");
    for (path, bytes) in files.iter() {
        text.push_str(&format!(
            "{} {} {path}\n",
            hex::encode(sha256(&[bytes])),
            bytes.len()
        ));
    }
    let signature = log_signer().sign(&text).unwrap();
    let note = Note {
        text,
        signatures: vec![signature],
    };
    files.insert("index.note".to_owned(), note.format().into_bytes());
}

/// One leaf of the public log with the heads under it.
struct Epoch {
    leaf: EpochLeaf,
    heads: Vec<(&'static str, LogHead, Hash)>,
    leaves: Vec<Hash>,
}

impl Epoch {
    fn of(
        archive: &Archive,
        epoch: u64,
        at: Instant,
        sizes: &BTreeMap<&'static str, usize>,
    ) -> Self {
        let heads: Vec<_> = sizes
            .iter()
            .map(|(name, size)| {
                let blind = sha256(&[name.as_bytes(), &epoch.to_be_bytes()]);
                (*name, archive.logs[name].head_at(*size), blind)
            })
            .collect();
        let mut leaves: Vec<Hash> = heads
            .iter()
            .map(|(name, head, blind)| {
                let root = head.root.as_slice().try_into().unwrap();
                blinded_leaf(blind, archive.logs[name].id(), head.size as u64, &root)
            })
            .collect();
        while !leaves.len().is_power_of_two() {
            leaves.push([leaves.len() as u8; 32]);
        }
        let leaf = EpochLeaf {
            epoch,
            root: root_of(&leaves),
            at: at.micros(),
        };
        Self {
            leaf,
            heads,
            leaves,
        }
    }

    fn proof(&self, name: &str, public: &[Hash]) -> Option<HeadProof> {
        let index = self.heads.iter().position(|(of, ..)| *of == name)?;
        let (_, head, blind) = &self.heads[index];
        let list = |hashes: Vec<Hash>| hashes.iter().map(|hash| hash.to_vec()).collect();
        Some(HeadProof {
            epoch: self.leaf.epoch as i64,
            head: Some(head.clone()),
            blind: blind.to_vec(),
            index: index as i64,
            leaves: self.leaves.len() as i64,
            path: list(inclusion_proof(&self.leaves, index as u64)?),
            at_us: self.leaf.at,
            public_path: list(inclusion_proof(public, self.leaf.epoch)?),
        })
    }
}
