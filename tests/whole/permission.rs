//! Hostile calls, generated from the contracts: every RPC as every role that the access table does
//! not give it, as people of the right role and the wrong organisation, with tokens that are stale,
//! altered or forged, and with bytes that are no request. None succeeds, and no answer tells whether
//! what was asked for exists.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;

use prost_reflect::MethodDescriptor;
use sunbid_cli::{
    commands::organization::Kind,
    connection::Connection,
    demo::{
        acts::{make_bid, submit},
        cast::{CENTRE, HOLDERS, PURCHASER, Part, SUPPLIERS},
    },
};
use sunbid_contracts::registry::v1::{GetCallerRequest, Role, SignOutRequest};
use sunbid_service::access::{Access, AccessTable, Relation};
use sunbid_tests::{
    World,
    anyrpc::{self, Names},
};
use tonic::{
    Code,
    metadata::{Ascii, MetadataValue},
    transport::{Channel, Endpoint},
};

/// Of the right role, with nothing to do with the tender. (All institutions here are its holders.)
const STRANGER: Part = Part {
    profile: "other-purchaser",
    code: "12140600MB0000021",
    name: "另一采购单位",
    kinds: &[Kind::Purchaser],
    account: "14000000000000000021",
};

struct Caller {
    who: &'static str,
    roles: BTreeSet<i32>,
    authorization: MetadataValue<Ascii>,
}

struct Attack {
    world: World,
    channel: Channel,
    table: AccessTable,
    methods: Vec<MethodDescriptor>,
    real: Names,
    absent: Names,
    calls: usize,
}

impl Attack {
    async fn prepare() -> Self {
        let world = World::raise().await.unwrap();
        world.stage.enrol_supplier(&STRANGER).await.unwrap();
        let tender = world.announced(0).await.unwrap();
        let [bidder, ..] = &SUPPLIERS;
        let sealed = make_bid(&world.stage, bidder, &tender, "01", "2700000.00", 1, 1)
            .await
            .unwrap();
        submit(&world.stage, bidder, &sealed).await.unwrap();
        let known = world.stage.of(bidder.profile).await.unwrap();
        let channel = Endpoint::from_shared(world.stage.endpoint().to_owned())
            .unwrap()
            .tcp_nodelay(true)
            .connect()
            .await
            .unwrap();
        let organization = "organizations/91140600MA00099996".to_owned();
        let (known, subject) = (
            known.organization().unwrap(),
            known.subject().unwrap().name.clone(),
        );
        Self {
            channel,
            table: AccessTable::built_in().unwrap(),
            methods: anyrpc::all().unwrap(),
            real: Names {
                tender: tender.name,
                lot_id: "01".into(),
                organization: known.clone(),
                subject: subject.clone(),
            },
            absent: Names {
                tender: "tenders/00000000-0000-4000-8000-000000000000".into(),
                lot_id: "01".into(),
                subject: subject.replace(&known, &organization),
                organization,
            },
            world,
            calls: 0,
        }
    }

    async fn caller(&self, who: &'static str) -> Caller {
        let connection = self.world.stage.of(who).await.unwrap();
        let mut registry = connection.registry();
        let caller = registry.get_caller(GetCallerRequest {}).await.unwrap();
        let subject = caller.into_inner().subject.unwrap();
        Caller {
            who,
            roles: subject.roles.into_iter().collect(),
            authorization: connection.authorization().unwrap(),
        }
    }

    /// Waits until every service has heard that a session ended.
    async fn forgotten(&self, ended: &Caller) {
        let whoami = self
            .methods
            .iter()
            .find(|m| m.name() == "GetCaller")
            .unwrap();
        for _ in 0..100 {
            let authorization = Some(&ended.authorization);
            let outcome = anyrpc::call(&self.channel, whoami, Vec::new(), authorization);
            if outcome.await.unwrap().status.code() == Code::Unauthenticated {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("a token lives on though its session has ended");
    }

    /// Calls an RPC about what exists and about what does not: both are refused with `code`, in the
    /// same words, and nothing else is said.
    async fn refused(
        &mut self,
        who: &str,
        method: &MethodDescriptor,
        authorization: Option<&MetadataValue<Ascii>>,
        code: Code,
    ) {
        let path = anyrpc::path(method);
        let mut said = Vec::new();
        for names in [self.real.clone(), self.absent.clone()] {
            let body = anyrpc::request(method, &names);
            let outcome = anyrpc::call(&self.channel, method, body, authorization)
                .await
                .unwrap();
            self.calls += 1;
            assert!(outcome.messages.is_empty(), "{who} got an answer of {path}");
            let (status, context) = (outcome.status, format!("{who} calls {path}"));
            assert_eq!(status.code(), code, "{context}: {status:?}");
            said.push((status.message().to_owned(), status.details().to_vec()));
        }
        assert_eq!(said[0], said[1], "{who} learns from {path} what exists");
    }
}

fn given(access: &Access, roles: &BTreeSet<i32>) -> bool {
    match access {
        Access::Public | Access::SignedIn => true,
        Access::Roles(allowed) => allowed.iter().any(|role| roles.contains(&(*role as i32))),
    }
}

/// What the caller's role may not call, as a table read by other eyes than the platform's.
async fn wrong_roles(attack: &mut Attack, callers: &[Caller]) {
    for method in attack.methods.clone() {
        let row = attack.table.row(&anyrpc::path(&method)).unwrap().clone();
        if row.access == Access::Public {
            continue;
        }
        attack
            .refused("anyone", &method, None, Code::Unauthenticated)
            .await;
        for caller in callers {
            if !given(&row.access, &caller.roles) {
                let authorization = Some(&caller.authorization);
                attack
                    .refused(caller.who, &method, authorization, Code::PermissionDenied)
                    .await;
            }
        }
    }
}

/// The right role is not enough: the record must be one's own.
async fn wrong_organisations(attack: &mut Attack, strangers: &[Caller]) {
    for method in attack.methods.clone() {
        let path = anyrpc::path(&method);
        let row = attack.table.row(&path).unwrap().clone();
        if matches!(row.access, Access::Public) || row.relation == Relation::Any {
            continue;
        }
        for stranger in strangers {
            if !given(&row.access, &stranger.roles) {
                continue;
            }
            let mut said = Vec::new();
            for names in [attack.real.clone(), attack.absent.clone()] {
                let body = anyrpc::request(&method, &names);
                let authorization = Some(&stranger.authorization);
                let outcome = anyrpc::call(&attack.channel, &method, body, authorization)
                    .await
                    .unwrap();
                attack.calls += 1;
                for message in &outcome.messages {
                    let shown = String::from_utf8_lossy(message);
                    assert!(
                        !shown.contains(&attack.real.organization),
                        "{} reads of others in {path}: {shown}",
                        stranger.who
                    );
                }
                let about = |text: &str| {
                    text.replace(&names.tender, "tender")
                        .replace(&names.organization, "organization")
                };
                let answered = outcome.messages.concat().len();
                let status = &outcome.status;
                said.push((status.code(), about(status.message()), answered));
            }
            // What a supplier does itself in a public tender rightly depends on the tender; a list
            // of one's own is empty.
            if row.relation != Relation::Own {
                assert_eq!(said[0], said[1], "{} and {path}", stranger.who);
                let silent = said[0].0 != Code::Ok || said[0].2 == 0;
                assert!(silent, "{} gets an answer of {path}", stranger.who);
            }
        }
    }
}

/// Tokens that are none, or none any more, open nothing whatever they claim.
async fn bad_tokens(attack: &mut Attack, good: &Caller, ended: &Caller) {
    let text = good.authorization.to_str().unwrap().to_owned();
    let bearer = text.strip_prefix("Bearer ").unwrap();
    let (claims, signature) = bearer.split_once('.').unwrap();
    let flipped: String = claims
        .chars()
        .map(|c| if c == 'A' { 'B' } else { c })
        .collect();
    let mut bad = vec![
        ("ended", ended.authorization.to_str().unwrap().to_owned()),
        ("cut", text[..text.len() - 2].to_owned()),
        ("unsigned", format!("Bearer {claims}.")),
        ("of another form", format!("Basic {bearer}")),
        (
            "twice signed",
            format!("Bearer {claims}.{signature}{signature}"),
        ),
        ("empty", "Bearer ".to_owned()),
        ("long", format!("Bearer {}", "A".repeat(6000))),
    ];
    if flipped != claims {
        bad.push(("altered", format!("Bearer {flipped}.{signature}")));
    }
    for method in attack.methods.clone() {
        if attack.table.row(&anyrpc::path(&method)).unwrap().access == Access::Public {
            continue;
        }
        for (who, token) in &bad {
            let authorization = token.parse().unwrap();
            attack
                .refused(who, &method, Some(&authorization), Code::Unauthenticated)
                .await;
        }
    }
}

/// Bytes that are no request, and requests too large, to RPCs that the caller may call.
async fn bad_bytes(attack: &mut Attack, callers: &[Caller]) {
    for method in attack.methods.clone() {
        let path = anyrpc::path(&method);
        let row = attack.table.row(&path).unwrap().clone();
        for caller in callers.iter().filter(|c| given(&row.access, &c.roles)) {
            for body in [vec![0xff; 64], vec![0x0a; 9 * 1024 * 1024]] {
                // Nothing in the request at all is a request where there is nothing to say.
                let outcome =
                    anyrpc::call(&attack.channel, &method, body, Some(&caller.authorization)).await;
                attack.calls += 1;
                if let Ok(outcome) = outcome {
                    let status = outcome.status;
                    assert!(outcome.messages.is_empty(), "{} and {path}", caller.who);
                    assert_ne!(status.code(), Code::Ok, "{} and {path}", caller.who);
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_hostile_calls_get_nothing() {
    let mut attack = Attack::prepare().await;
    let [overseer, holder, ..] = &HOLDERS;
    let mut callers = Vec::new();
    for who in [&CENTRE, &PURCHASER, overseer, holder, &SUPPLIERS[1]] {
        callers.push(attack.caller(who.profile).await);
    }
    assert!(callers.iter().all(|caller| !caller.roles.is_empty()));
    // The roles differ, or the table is not tried.
    let roles: BTreeSet<i32> = callers.iter().flat_map(|c| c.roles.clone()).collect();
    assert!(roles.contains(&(Role::Administrator as i32)), "{roles:?}");
    assert!(roles.contains(&(Role::Supervisor as i32)), "{roles:?}");
    wrong_roles(&mut attack, &callers).await;
    let mut strangers = Vec::new();
    for who in [&STRANGER, &SUPPLIERS[4]] {
        strangers.push(attack.caller(who.profile).await);
    }
    wrong_organisations(&mut attack, &strangers).await;
    let leaving: Connection = attack.world.stage.of(SUPPLIERS[3].profile).await.unwrap();
    let ended = Caller {
        who: "who left",
        roles: BTreeSet::new(),
        authorization: leaving.authorization().unwrap(),
    };
    leaving
        .registry()
        .sign_out(SignOutRequest {})
        .await
        .unwrap();
    attack.forgotten(&ended).await;
    let good = attack.caller(CENTRE.profile).await;
    bad_tokens(&mut attack, &good, &ended).await;
    let supplier = [attack.caller(SUPPLIERS[2].profile).await];
    bad_bytes(&mut attack, &supplier).await;
    assert!(attack.calls > 1000, "{} calls", attack.calls);
    // It stands, and serves those who may.
    attack.caller(PURCHASER.profile).await;
    attack.world.stage.strike().await;
}
