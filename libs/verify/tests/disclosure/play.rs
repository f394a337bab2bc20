//! A whole tender played with the real decisions, from the intent to the closed session.

use std::collections::BTreeMap;

use ring::signature::{Ed25519KeyPair, KeyPair};
use sunbid_certificates::trial::{TrialAuthority, TrialIdentity, TrialSubject};
use sunbid_contracts::audit::v1::TrustAnchors;
use sunbid_contracts::bid::v1::{
    Bid, BidSubmitted, BidWithdrawn, BiddingClosed, BiddingEnded, BiddingOpened, DeadlineMoved,
    EnvelopePart, IntakeBegan, Outage, OutageRecorded, Receipt,
};
use sunbid_contracts::common::v1::{Category, FileDigest, Track};
use sunbid_contracts::notice::v1::{
    ClarificationPublished, FollowUpPublished, Intent, IntentPublished, Notice,
    TenderNoticePublished,
};
use sunbid_contracts::opening::v1::{
    ClosingSignature, HolderShares, OpeningRecordPublished, SessionScheduled,
};
use sunbid_contracts::tender::v1::{
    Clause, ClauseRole, Conditions, Lot, Medium, MediumKind, PartClass, PartRequirement,
    ProcurementMethod, Review, ReviewKind, ScoringFactor, SheetField, SheetFieldType, Tender,
    Termination, TerminationCause, Timetable,
};
use sunbid_domain::bid::{
    OwnBid, TenderBox, closing as closing_list, fault as judged, intake, outage,
};
use sunbid_domain::notice::{Board, IntentState, board, facts, follow_up, intent};
use sunbid_domain::opening::check::{self, Supplier};
use sunbid_domain::opening::{
    BidLog, CheckedBids, ClosedBids, SessionState, closing, decide, record, sheet,
};
use sunbid_domain::tender::committee::{self, Committee};
use sunbid_domain::tender::{Dossier, draft, life, rounds};
use sunbid_domain::{Aggregate, Event, verdicts};
use sunbid_proofs::hash::sha256;
use sunbid_proofs::receipt::Receipt as Signed;
use sunbid_rules::Engine;
use sunbid_sealing::{
    Bundle, Class, Delivery, Element, Label, OsRng, Partial, SecretScalar, Subject, Workers,
    combine, seal, supplier_message,
};
use sunbid_terms::{CreditCode, Instant};

use crate::chronicle::{Archive, Chronicle, ORIGIN, log_signer};
use crate::holders::Member;

pub const PURCHASER: &str = "organizations/12140600405600266Y";
pub const TENDER: &str = "tenders/3f0e0f6e-0000-4000-8000-000000000000";
const INTENT: &str = "intents/5a0e0f6e-0000-4000-8000-000000000000";
const DAY: i64 = 86_400;

/// A supplier with its certificate.
#[derive(Clone)]
pub struct Bidder {
    pub code: String,
    identity: TrialIdentity,
}

/// The stage and all that was played on it.
pub struct Play {
    pub archive: Archive,
    pub members: Vec<Member>,
    pub bidders: Vec<Bidder>,
    pub now: Instant,
    pub engine: Engine,
    pub dossier: Dossier,
    pub board: Board,
    pub tender_box: TenderBox,
    pub own: BTreeMap<(String, String), OwnBid>,
    pub session: SessionState,
    /// Receipts of everything, in the order of the acts.
    pub all_receipts: Vec<Receipt>,
    receipt_key: Ed25519KeyPair,
}

impl Play {
    fn new(bidders: usize) -> Self {
        let now = Instant::parse("2026-01-20T09:00:00+08:00").unwrap();
        let (from, until) = (now.plus_seconds(-30 * DAY), now.plus_seconds(700 * DAY));
        let authority = TrialAuthority::new("Trial root", from, until).unwrap();
        let receipt_key = Ed25519KeyPair::from_seed_unchecked(&[71; 32]).unwrap();
        let bidders = (0..bidders)
            .map(|number| {
                let code = CreditCode::complete(&format!("9111000000000{number:04}"))
                    .unwrap()
                    .to_string();
                let subject = TrialSubject {
                    credit_code: &code,
                    organization: "供应商",
                    common_name: "bidder",
                    not_before: from,
                    not_after: until,
                };
                Bidder {
                    identity: authority.issue(&subject).unwrap(),
                    code,
                }
            })
            .collect();
        let members = Member::three(&authority, ORIGIN, now);
        let log = |service| Chronicle::new(service, TENDER);
        let archive = Archive {
            tender: TENDER.to_owned(),
            logs: BTreeMap::from([
                ("intent", Chronicle::new("notice", INTENT)),
                ("tender", log("tender")),
                ("notice", log("notice")),
                ("bid", log("bid")),
                ("opening", log("opening")),
            ]),
            receipts: Vec::new(),
            envelopes: BTreeMap::new(),
            documents: vec!["采购文件".as_bytes().to_vec()],
            anchors: TrustAnchors {
                log_verifier_key: log_signer().verifier().to_string(),
                receipt_key: receipt_key.public_key().as_ref().to_vec(),
                roots: vec![authority.certificate().to_vec()],
                sandbox: true,
            },
            witnesses: members.iter().map(Member::witness).collect(),
            before: (now, BTreeMap::new()),
            after: now,
        };
        Self {
            archive,
            members,
            bidders,
            now,
            engine: Engine::new().unwrap(),
            dossier: Dossier::default(),
            board: Board::default(),
            tender_box: TenderBox::default(),
            own: BTreeMap::new(),
            session: SessionState::default(),
            all_receipts: Vec::new(),
            receipt_key,
        }
    }

    pub fn log(&mut self, name: &str) -> &mut Chronicle {
        self.archive.logs.get_mut(name).unwrap()
    }

    fn wait(&mut self, seconds: i64) {
        self.now = self.now.plus_seconds(seconds);
    }

    /// Intent, tender, ceremony, notice, and what the other services make of it.
    pub fn announced(bidders: usize) -> Self {
        Self::announced_with(bidders, |_| {})
    }

    /// The same, with something done before anything happened.
    fn announced_with(bidders: usize, how: impl FnOnce(&mut Self)) -> Self {
        let mut play = Self::new(bidders);
        how(&mut play);
        play.intent();
        play.wait(41 * DAY);
        play.drafted();
        play.keyed();
        play.wait(60);
        play.notice();
        play
    }

    fn intent(&mut self) {
        let asked = Intent {
            track: Track::GovernmentProcurement as i32,
            category: Category::Goods as i32,
            title: "教学设备采购".to_owned(),
            demand: "采购教学设备两个标段，含运输、安装、调试和培训。".to_owned(),
            budget_fen: 500_000_000,
            planned_time_us: self.now.plus_seconds(45 * DAY).micros(),
            budget_approval_time_us: self.now.plus_seconds(-20 * DAY).micros(),
            purchaser_display_name: "采购人甲".to_owned(),
            jurisdiction: "CN-140600".to_owned(),
            ..Intent::default()
        };
        let names = intent::IntentNames {
            intent: INTENT,
            notice: "notices/0",
            purchaser: PURCHASER,
        };
        let made = intent::publish(
            &IntentState::default(),
            &asked,
            names,
            &self.engine,
            self.now,
        )
        .unwrap();
        let event = IntentPublished {
            intent: Some(made.intent),
            notice: made.notice.name,
        };
        let at = self.now;
        self.log("intent")
            .push("intent", Event::of(&event), made.verdicts, at);
    }

    fn tell(&mut self, events: Vec<Event>) {
        for event in events {
            self.dossier.evolve(&event, self.now).unwrap();
            let at = self.now;
            self.log("tender").push("tender", event, Vec::new(), at);
        }
    }

    fn drafted(&mut self) {
        let author = draft::Author {
            subject: "organizations/12140600405600266Y/subjects/a",
            organization: PURCHASER,
        };
        let asked = tender(&self.engine, self.now);
        self.tell(draft::create(&self.dossier, &asked, author, TENDER, 7, self.now).unwrap());
        let content = &self.archive.documents[0];
        let document = FileDigest {
            file_name: "招标文件.pdf".to_owned(),
            media_type: "application/pdf".to_owned(),
            size_bytes: content.len() as i64,
            sha256: sha256(&[content]).to_vec(),
        };
        self.tell(
            draft::add_document(&self.dossier, PURCHASER, author.subject, &document).unwrap(),
        );
        for kind in [ReviewKind::Internal, ReviewKind::FairCompetition] {
            let review = Review {
                kind: kind as i32,
                reviewer: format!("{PURCHASER}/subjects/b"),
                passed: true,
                conclusion: "通过。".to_owned(),
                at_us: self.now.micros(),
            };
            self.tell(life::review(&self.dossier, PURCHASER, review).unwrap());
        }
    }

    fn keyed(&mut self) {
        let of = |member: &Member| (member.record.clone(), member.evidence.clone());
        let (holders, evidence) = self.members.iter().map(of).unzip();
        let committee = Committee {
            holders,
            evidence,
            threshold: 2,
            others: 3,
        };
        self.tell(committee::start(&self.dossier, PURCHASER, committee, [9; 32]).unwrap());
        for _ in 0..5 {
            for place in 0..self.members.len() {
                let message = self.members[place].answer(&self.dossier);
                let own = self.members[place].record.organization.clone();
                self.tell(rounds::post(&self.dossier, &own, &message, &mut OsRng).unwrap());
            }
        }
    }

    fn notice(&mut self) {
        let published: IntentPublished = self.log("intent").raws[0].event.read().unwrap().unwrap();
        let tender = self.dossier.tender.clone().unwrap();
        let made = board::announce(
            &self.board,
            &tender,
            published.intent.as_ref(),
            "notices/1",
            &self.engine,
            self.now,
        )
        .unwrap();
        let announced = made.notice.announced.clone().unwrap();
        let tender_head = self.log("tender").head();
        let event = TenderNoticePublished {
            notice: Some(made.notice),
            tender_head: Some(tender_head),
        };
        self.publish(Event::of(&event), made.verdicts);
        let head = self.log("notice").head();
        self.wait(1);
        self.tell(life::announce(&self.dossier, &announced, "notices/1", head.clone()).unwrap());
        self.in_box(&BiddingOpened {
            tender: Some(announced.clone()),
            notice_head: Some(head.clone()),
        });
        let tender_key = self.members[0].key().0.encode();
        self.in_session(
            vec![Event::of(&SessionScheduled {
                tender: Some(announced),
                notice_head: Some(head),
                tender_key,
            })],
            Vec::new(),
        );
    }

    fn publish(&mut self, event: Event, said: Vec<sunbid_contracts::common::v1::Verdict>) {
        self.board.evolve(&event, self.now).unwrap();
        let at = self.now;
        self.log("notice").push("board", event, said, at);
    }

    fn in_box<M: prost::Message + prost::Name>(&mut self, message: &M) {
        let event = Event::of(message);
        self.tender_box.evolve(&event, self.now).unwrap();
        let at = self.now;
        self.log("bid").push("box", event, Vec::new(), at);
    }

    fn in_session(&mut self, events: Vec<Event>, said: Vec<sunbid_contracts::common::v1::Verdict>) {
        assert!(!events.is_empty(), "nothing follows");
        for event in events {
            self.session.evolve(&event, self.now).unwrap();
            let at = self.now;
            self.log("opening").push("session", event, said.clone(), at);
        }
    }

    /// A clarification that moves the deadline, in every log.
    pub fn clarified(&mut self, text: &str) {
        self.wait(60);
        let old = self.board.deadline();
        let new = old.plus_seconds(7 * DAY);
        let asked = board::Clarify {
            purchaser: PURCHASER,
            text,
            affects_bids: true,
            changes_subject_or_qualification: false,
            new_deadline_us: new.micros(),
            question: "",
        };
        let made = board::clarify(&self.board, asked, "notices/2", &self.engine, self.now).unwrap();
        self.in_box(&DeadlineMoved {
            old_deadline_us: old.micros(),
            new_deadline_us: new.micros(),
            cause: "notices/2".to_owned(),
        });
        self.publish(
            Event::of(&ClarificationPublished {
                notice: Some(made.notice),
            }),
            made.verdicts,
        );
        self.tell(life::change_deadline(&self.dossier, "notices/2", new).unwrap());
        self.in_session(decide::move_to(&self.session, new.micros()), Vec::new());
    }

    /// The platform goes away around the deadline, from so many seconds of it on, and is back a while
    /// after; if it does as its rules say, the deadline moves, in every log.
    fn out(&mut self, from: i64, moves: bool) {
        let deadline = self.tender_box.deadline();
        let (from, until) = (deadline.plus_seconds(from), deadline.plus_seconds(1800));
        let begun = self.archive.logs["bid"].raws[0].at;
        let mut intake = Chronicle::new("bid", intake::SCOPE);
        let began = IntakeBegan {
            silence_seconds: intake::SILENCE_SECONDS,
        };
        intake.push(intake::STREAM, Event::of(&began), Vec::new(), begun);
        let outage = Outage {
            seq: 1,
            from_us: from.micros(),
            until_us: until.micros(),
            ..Outage::default()
        };
        let recorded = OutageRecorded {
            outage: Some(outage.clone()),
        };
        intake.push(intake::STREAM, Event::of(&recorded), Vec::new(), until);
        let head = intake.head();
        self.archive.logs.insert("intake", intake);
        if !moves {
            return;
        }
        self.now = until;
        let (moved, said) = outage::extension(&self.tender_box, &outage, head, &self.engine)
            .unwrap()
            .unwrap();
        let event = Event::of(&moved);
        self.tender_box.evolve(&event, self.now).unwrap();
        let at = self.now;
        self.log("bid").push("box", event, said, at);
        let bid_head = self.log("bid").head();
        self.wait(1);
        let notice = follow_up::outage(&self.board, &moved, "notices/8", self.now).unwrap();
        let event = FollowUpPublished {
            notice: Some(notice),
            cause: Some(bid_head),
        };
        self.publish(Event::of(&event), Vec::new());
        let new = Instant::from_micros(moved.new_deadline_us);
        self.tell(life::change_deadline(&self.dossier, "notices/8", new).unwrap());
        self.in_session(decide::move_to(&self.session, new.micros()), Vec::new());
    }

    /// A tender that opens, with an outage around its deadline.
    pub fn with_outage(from: i64, moves: bool) -> Self {
        let mut play = Self::announced(6);
        for bidder in 0..3 {
            play.submit(bidder, "01", &format!("24{bidder}0000"));
        }
        // The last of them half a day before the deadline.
        let last = play.tender_box.deadline().plus_seconds(-DAY / 3);
        play.now = play.now.max(last);
        play.submit(3, "01", "2450000");
        play.out(from, moves);
        let closed = play.closed();
        play.opened(&closed);
        play.archive.after = play.archive.after.plus_seconds(DAY);
        play
    }

    /// The same as a platform that does right has it.
    pub fn after_outage() -> Self {
        Self::with_outage(-600, true)
    }

    pub fn submit(&mut self, bidder: usize, lot: &str, price: &str) {
        self.wait(10);
        let bidder = self.bidders[bidder].clone();
        let key = (lot.to_owned(), bidder.code.clone());
        let mut own = self.own.remove(&key).unwrap_or_default();
        let revision = own.last_revision() + 1;
        let (mut parts, mut headers) = (Vec::new(), Vec::new());
        let tender_key = self.members[0].key().0.clone();
        let fields = self.board.tender.as_ref().unwrap().sheet.clone();
        let content = sheet::write(&[("price".to_owned(), price.to_owned())], &fields).unwrap();
        for (part, class, content) in [
            (0_u8, Class::Public, content),
            (1, Class::Evaluators, b"technical".to_vec()),
        ] {
            let subject = Subject {
                tender: Label::new(TENDER).unwrap(),
                lot: Label::new(lot).unwrap(),
                part,
                class,
                bidder: Label::new(&bidder.code).unwrap(),
                revision: revision as u32,
                not_before: self.tender_box.deadline().seconds() as u64,
            };
            let mut payload = Vec::new();
            let length = content.len() as u64;
            let sealed = seal(
                tender_key.sealing(),
                &subject,
                length,
                content.as_slice(),
                &mut payload,
                Workers::ONE,
                &mut OsRng,
            )
            .unwrap();
            let header = sealed.header.check().unwrap();
            parts.push(EnvelopePart {
                header: header.encode(),
                header_id: header.id().to_vec(),
                part: i32::from(part),
                payload_bytes: payload.len() as i64,
                payload_root: header.payload_root().to_vec(),
            });
            if part == 0 {
                self.archive
                    .envelopes
                    .insert(*header.payload_root(), payload);
            }
            headers.push(header);
        }
        let bundle = Bundle::of(&headers.iter().collect::<Vec<_>>())
            .unwrap()
            .id();
        let certificate = bidder.identity.certificate.clone();
        let message = supplier_message(&certificate, &bundle);
        let bid = Bid {
            name: format!("{TENDER}/lots/{lot}/bids/{}", hex::encode(&bundle[..4])),
            tender: TENDER.to_owned(),
            lot_id: lot.to_owned(),
            bidder: format!("organizations/{}", bidder.code),
            revision,
            bundle: bundle.to_vec(),
            parts,
            signature: bidder.identity.signer().unwrap().sign(&message).unwrap(),
            certificate,
            accept_time_us: self.now.micros(),
            ..Bid::default()
        };
        let facts = judged::submission_facts(&self.tender_box, &bid.bidder, self.now, Some(true));
        let scope = judged::scope(&self.tender_box, self.now).unwrap();
        let said = verdicts::allowed(&self.engine.check(&scope, &facts)).unwrap();
        let seq = self.log("bid").raws.len() as i64;
        let event = Event::of(&BidSubmitted {
            bid: Some(bid),
            seq,
        });
        own.evolve(&event, self.now).unwrap();
        self.own.insert(key, own);
        let at = self.now;
        self.log("bid")
            .push(&blinded(lot, &bidder.code), event, said, at);
        self.receipt(lot, &bundle, revision, false);
    }

    pub fn withdraw(&mut self, bidder: usize, lot: &str) {
        self.wait(10);
        let bidder = self.bidders[bidder].clone();
        let key = (lot.to_owned(), bidder.code.clone());
        let mut own = self.own.remove(&key).unwrap();
        let live = own.live().unwrap().clone();
        let seq = self.log("bid").raws.len() as i64;
        let certificate = bidder.identity.certificate.clone();
        let message = sunbid_certificates::supplier::withdrawal(&certificate, &live.bundle);
        let event = Event::of(&BidWithdrawn {
            bid: live.name.clone(),
            bundle: live.bundle.clone(),
            signature: bidder.identity.signer().unwrap().sign(&message).unwrap(),
            certificate,
            intermediates: Vec::new(),
            seq,
            bidder: live.bidder.clone(),
            lot_id: lot.to_owned(),
        });
        own.evolve(&event, self.now).unwrap();
        self.own.insert(key, own);
        let at = self.now;
        self.log("bid")
            .push(&blinded(lot, &bidder.code), event, Vec::new(), at);
        self.receipt(lot, &live.bundle, live.revision, true);
    }

    fn receipt(&mut self, lot: &str, bundle: &[u8], revision: i64, withdrawal: bool) {
        let log = self.log("bid");
        let (leaf, id) = (*log.leaves().last().unwrap(), log.id());
        let receipt = Receipt {
            tender: TENDER.to_owned(),
            lot_id: lot.to_owned(),
            bundle: bundle.to_vec(),
            revision,
            withdrawal,
            accept_time_us: self.now.micros(),
            leaf: leaf.to_vec(),
            log_id: id.as_bytes().to_vec(),
            signature: Vec::new(),
        };
        let receipt = self.sign(receipt);
        self.all_receipts.push(receipt);
    }

    /// The platform's signature on whatever a receipt says.
    pub fn sign(&self, receipt: Receipt) -> Receipt {
        let signed = Signed {
            tender: receipt.tender.clone(),
            lot_id: receipt.lot_id.clone(),
            bundle: receipt.bundle.clone(),
            revision: receipt.revision as u64,
            withdrawal: receipt.withdrawal,
            accept_time_us: receipt.accept_time_us,
            leaf: receipt.leaf.as_slice().try_into().unwrap(),
            log: sunbid_proofs::LogId::from_slice(&receipt.log_id).unwrap(),
        };
        Receipt {
            signature: signed.sign(&self.receipt_key),
            ..receipt
        }
    }

    /// The deadline passes; an epoch lies before it.
    pub fn closed(&mut self) -> ClosedBids {
        let sizes = self
            .archive
            .logs
            .iter()
            .map(|(name, log)| (*name, log.raws.len()))
            .collect();
        self.archive.before = (self.now, sizes);
        self.now = self.tender_box.deadline();
        let bids: Vec<OwnBid> = self.own.values().cloned().collect();
        let list: BiddingClosed = closing_list(&self.tender_box, &bids);
        self.in_box(&list);
        let log = self.log("bid");
        let read = BidLog::read(log.id(), &log.entries()).unwrap();
        let closed = closing::fold(TENDER, ORIGIN, &read.events, &read.head()).unwrap();
        self.withhold(&list);
        self.wait(1);
        let (events, said) = decide::start(&self.session, &closed, &self.engine, self.now).unwrap();
        self.in_session(events, said);
        let bid_head = closed.head.clone();
        let lots = |opens| {
            list.lots
                .iter()
                .filter(|l| l.opens == opens)
                .map(|l| l.lot_id.clone())
                .collect()
        };
        self.tell(life::close(&self.dossier, bid_head.clone(), lots(true), lots(false)).unwrap());
        if let Some(notice) = follow_up::failure(&self.board, &list.lots, "notices/3", self.now) {
            let event = FollowUpPublished {
                notice: Some(notice),
                cause: Some(bid_head),
            };
            self.publish(Event::of(&event), Vec::new());
        }
        closed
    }

    fn withhold(&mut self, list: &BiddingClosed) {
        let live: Vec<i64> = list
            .entries
            .iter()
            .filter(|e| e.status == 1)
            .map(|e| e.seq)
            .collect();
        for (raw, seq) in self.log("bid").raws.iter_mut().zip(0..) {
            let bid = raw.event.is::<BidSubmitted>() && !live.contains(&seq);
            raw.withheld = bid || raw.event.is::<BidWithdrawn>();
        }
        let bids: Vec<Bid> = self
            .log("bid")
            .raws
            .iter()
            .filter(|raw| !raw.withheld)
            .filter_map(|raw| raw.event.read::<BidSubmitted>().unwrap()?.bid)
            .collect();
        let opened = |receipt: &&Receipt| {
            !receipt.withdrawal && bids.iter().any(|b| b.bundle == receipt.bundle)
        };
        self.archive.receipts = self.all_receipts.iter().filter(opened).cloned().collect();
        let roots: Vec<Vec<u8>> = bids
            .iter()
            .map(|bid| bid.parts[0].payload_root.clone())
            .collect();
        self.archive
            .envelopes
            .retain(|root, _| roots.contains(&root.to_vec()));
    }

    pub fn checked(&self, closed: &ClosedBids) -> CheckedBids {
        let roots = sunbid_certificates::Roots::new(self.archive.anchors.roots.clone()).unwrap();
        let supplier = |certificate: &[u8],
                        between: &[Vec<u8>],
                        message: &[u8],
                        signature: &[u8],
                        at: Instant| {
            let holder =
                sunbid_certificates::verify_chain(certificate, between, &roots, at).unwrap();
            sunbid_certificates::verify_signature(certificate, message, signature).unwrap();
            Ok(Supplier {
                credit_code: holder.credit_code.to_string(),
                organization_name: holder.organization_name,
            })
        };
        check::check(closed, &supplier).unwrap()
    }

    /// A holder signs the closing.
    pub fn signs(&mut self, member: usize, close: &[u8; 32]) {
        self.wait(1);
        let holder = &self.members[member];
        let signature = ClosingSignature {
            index: holder.record.index,
            signature: holder.identity.sign(close).to_vec(),
            signed_time_us: self.now.micros(),
        };
        let organization = holder.record.organization.clone();
        let events = decide::sign(&self.session, &organization, close, signature).unwrap();
        self.in_session(events, Vec::new());
    }

    pub fn shares(&self, member: usize, bids: &CheckedBids, close: &[u8; 32]) -> HolderShares {
        let holder = &self.members[member];
        let (key, share) = holder.key();
        let reader = self
            .board
            .tender
            .as_ref()
            .unwrap()
            .evaluator_key
            .as_slice()
            .try_into()
            .unwrap();
        let reader = Element::decode(&reader).unwrap();
        HolderShares {
            index: holder.record.index,
            partials: bids
                .sheets
                .iter()
                .map(|e| {
                    Partial::make(key, share, &e.header, close, &mut OsRng)
                        .unwrap()
                        .encode()
                        .to_vec()
                })
                .collect(),
            deliveries: bids
                .evaluations
                .iter()
                .map(|e| {
                    Delivery::make(key, share, &e.header, close, &reader, &mut OsRng)
                        .unwrap()
                        .encode()
                        .to_vec()
                })
                .collect(),
        }
    }

    /// Signatures, shares, the record, and all that follows.
    pub fn opened(&mut self, closed: &ClosedBids) {
        let close = closed.close();
        let bids = self.checked(closed);
        for member in 0..3 {
            self.signs(member, &close);
        }
        self.wait(1);
        let mut wrong = self.shares(2, &bids, &close);
        wrong.partials[0][40] ^= 1;
        let (events, _) = decide::refuse_shares(wrong, "holder 3: a false proof");
        self.in_session(events, Vec::new());
        let mut verified = Vec::new();
        for member in 0..2 {
            let shares = self.shares(member, &bids, &close);
            let key = self.members[0].key().0.clone();
            let partials: Vec<_> = bids
                .sheets
                .iter()
                .zip(&shares.partials)
                .map(|(e, bytes)| {
                    Partial::parse(bytes)
                        .unwrap()
                        .verify(&key, &e.header, &close)
                        .unwrap()
                })
                .collect();
            verified.push(partials);
            let events = decide::accept_shares(&self.session, shares);
            self.in_session(events, Vec::new());
        }
        let key = self.members[0].key().0.clone();
        let outcomes: Vec<_> = bids
            .sheets
            .iter()
            .enumerate()
            .map(|(place, sheet)| {
                let partials: Vec<_> = verified.iter().map(|of| of[place]).collect();
                let secret = combine(&key, &sheet.header, &partials).unwrap();
                let stored = &self.archive.envelopes[sheet.header.payload_root()];
                record::open_sheet(&sheet.header, &secret, Ok(stored))
            })
            .collect();
        let draft = record::draft(closed, &bids.sheets, &outcomes, vec![1, 2]);
        self.wait(1);
        let events = decide::publish(&self.session, draft, self.now);
        self.in_session(events.clone(), Vec::new());
        let published: OpeningRecordPublished = events[0].read().unwrap().unwrap();
        let record = published.record.unwrap();
        let head = self.log("opening").head();
        self.wait(1);
        self.tell(life::opened(&self.dossier, head.clone()).unwrap());
        let notice: Notice =
            follow_up::opening_record(&self.board, &record, "notices/4", self.now).unwrap();
        self.publish(
            Event::of(&FollowUpPublished {
                notice: Some(notice),
                cause: Some(head),
            }),
            Vec::new(),
        );
        self.settled(&record);
    }

    /// An objection with its answer, a confirmation, the end.
    fn settled(&mut self, opening: &sunbid_contracts::opening::v1::OpeningRecord) {
        let bidder = format!("organizations/{}", self.bidders[0].code);
        let name = format!("{TENDER}/objections/1");
        let (_, (events, said)) = decide::raise_objection(
            &self.session,
            &bidder,
            name.clone(),
            "为什么？",
            &self.engine,
            self.now,
        )
        .unwrap();
        self.in_session(events, said);
        self.wait(5);
        let by = format!("{PURCHASER}/subjects/a");
        let events = decide::answer_objection(&self.session, &name, "因为。", &by).unwrap();
        self.in_session(events, Vec::new());
        let digest = record::digest(opening);
        let events = decide::confirm(&self.session, &bidder, &digest).unwrap();
        self.in_session(events, Vec::new());
        self.wait(400);
        let (events, said) = decide::close(&self.session, opening, &self.engine, self.now).unwrap();
        self.in_session(events, said);
        self.archive.after = self.now;
    }

    /// Bids by several suppliers: replaced, withdrawn, in a lot that fails.
    pub fn bids(&mut self) {
        self.submit(0, "01", "2,500,000.00");
        self.clarified("延长质保期。");
        self.submit(0, "01", "2400000");
        self.submit(1, "01", "2300000.50");
        self.submit(3, "01", "2200000");
        self.submit(2, "01", "2100000");
        self.submit(4, "02", "1000000");
        self.withdraw(3, "01");
        for (bidder, seen) in [(0, true), (5, false)] {
            self.wait(1);
            let name = format!("organizations/{}", self.bidders[bidder].code);
            let events = decide::check_in(&self.session, &name).unwrap();
            self.in_session(events, Vec::new());
            self.log("opening").raws.last_mut().unwrap().withheld = !seen;
        }
    }

    /// A tender whose first lot opened and whose second failed.
    pub fn whole() -> Self {
        Self::whole_with(|_| {})
    }

    /// The same, with something done before anything happened.
    pub fn whole_with(how: impl FnOnce(&mut Self)) -> Self {
        let mut play = Self::announced_with(6, how);
        play.bids();
        let closed = play.closed();
        play.opened(&closed);
        play
    }

    /// No lot had three bidders.
    pub fn failed() -> Self {
        let mut play = Self::announced(6);
        play.submit(0, "01", "2400000");
        play.submit(1, "01", "2300000");
        let closed = play.closed();
        for member in 0..2 {
            play.signs(member, &closed.close());
        }
        play.archive.after = play.now;
        play
    }

    /// Terminated while bids were taken.
    pub fn terminated() -> Self {
        let mut play = Self::announced(6);
        play.submit(0, "01", "2400000");
        play.wait(10);
        play.in_box(&BiddingEnded {
            reason: "任务取消".to_owned(),
        });
        for raw in &mut play.log("bid").raws {
            raw.withheld = raw.event.is::<BidSubmitted>();
        }
        play.archive.envelopes.clear();
        let reason = Termination {
            cause: TerminationCause::TaskCancelled as i32,
            reason: "任务取消".to_owned(),
            takers_told: true,
            reported_to_finance: true,
        };
        play.tell(life::terminate(&play.dossier, PURCHASER, reason).unwrap());
        let head = play.log("tender").head();
        let notice =
            follow_up::termination(&play.board, "任务取消", "notices/5", play.now).unwrap();
        play.publish(
            Event::of(&FollowUpPublished {
                notice: Some(notice),
                cause: Some(head),
            }),
            Vec::new(),
        );
        let events = decide::terminate(&play.session, "任务取消".to_owned());
        play.in_session(events, Vec::new());
        let sizes = play
            .archive
            .logs
            .iter()
            .map(|(name, log)| (*name, log.raws.len()))
            .collect();
        play.archive.before = (play.now, sizes);
        play.archive.after = play.now;
        play
    }
}

/// Two lots, lawful if announced at `at`.
/// The stream of a bidder's bid, made under a secret that nobody else has.
fn blinded(lot: &str, code: &str) -> String {
    let tag = sha256(&[b"the platform's secret", lot.as_bytes(), code.as_bytes()]);
    format!("bid/{}", hex::encode(tag))
}

fn tender(engine: &Engine, at: Instant) -> Tender {
    let lot = |lot_id: &str, budget: i64| Lot {
        lot_id: lot_id.to_owned(),
        title: format!("教学设备{lot_id}"),
        budget_fen: budget,
        ceiling_fen: budget - 10_000_000,
        deposit_fen: budget / 100,
    };
    let part = |part: i32, class: PartClass, title: &str| PartRequirement {
        part,
        class: class as i32,
        title: title.to_owned(),
        required: true,
        max_bytes: 1 << 20,
    };
    let mut tender = Tender {
        track: Track::GovernmentProcurement as i32,
        category: Category::Goods as i32,
        method: ProcurementMethod::OpenTender as i32,
        title: "教学设备采购".to_owned(),
        purchaser_display_name: "采购人甲".to_owned(),
        jurisdiction: "CN-140600".to_owned(),
        intent: INTENT.to_owned(),
        lots: vec![lot("01", 300_000_000), lot("02", 200_000_000)],
        parts: vec![
            part(0, PartClass::OpeningSheet, "开标一览表"),
            part(1, PartClass::Evaluation, "投标文件"),
        ],
        sheet: vec![SheetField {
            key: "price".to_owned(),
            label_zh: "投标报价".to_owned(),
            label_en: "Price".to_owned(),
            r#type: SheetFieldType::Amount as i32,
            required: true,
        }],
        evaluator_key: SecretScalar::random(&mut OsRng)
            .unwrap()
            .public()
            .as_bytes()
            .to_vec(),
        conditions: Some(Conditions {
            plan_filing_number: "计划1".to_owned(),
            reserved_for_small_enterprises: true,
            reserved_for_small_fen: 300_000_000,
            clauses: vec![Clause {
                role: ClauseRole::Qualification as i32,
                text: "具有独立承担民事责任的能力".to_owned(),
                answer: String::new(),
            }],
            scoring_factors: vec![ScoringFactor {
                name: "价格".to_owned(),
                quantified: true,
            }],
            media: vec![Medium {
                kind: MediumKind::ProvincialGovernmentProcurement as i32,
                name: "中国政府采购网省级分网".to_owned(),
                ..Medium::default()
            }],
            ..Conditions::default()
        }),
        ..Tender::default()
    };
    let scope = facts::scope(tender.track, &tender.jurisdiction, at).unwrap();
    let plan = engine
        .timetable(
            &scope,
            facts::method(tender.method()),
            at.plus_seconds(3600),
        )
        .unwrap();
    tender.timetable = Some(Timetable {
        document_from_us: at.plus_seconds(3600).micros(),
        document_until_us: plan.document_until.micros(),
        bid_deadline_us: plan.bid_deadline.micros(),
        objection_window_seconds: 300,
        bid_validity_days: 90,
        announcement_until_us: plan.announcement_until.map_or(0, Instant::micros),
    });
    tender
}
