//! Hostile calls of every kind against a platform in use: with the wrong role, for another's record, with
//! tokens that ended, were revoked, altered, forged or are somebody else's, with requests that are used
//! again, and with bytes that are no request. None may succeed, none may tell what exists, and nothing
//! may be there afterwards but the record of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use prost_reflect::MethodDescriptor;
use sunbid_certificates::trial::{TrialAuthority, TrialSubject};
use sunbid_cli::{
    commands::organization::Kind,
    connection::Connection,
    demo::{
        acts::{make_bid, submit},
        cast::{CENTRE, HOLDERS, PURCHASER, Part, SUPPLIERS},
    },
    profile::Profile,
};
use sunbid_contracts::{
    audit::v1::{AccessEntry, ListAccessRequest},
    notice::v1::{AskQuestionRequest, ListNoticesRequest},
    registry::v1::{
        CreateChallengeRequest, ListOrganizationsRequest, Role, SignInRequest, SignOutRequest,
    },
};
use sunbid_service::access::{self, Access, Relation, Row};
use sunbid_terms::{CreditCode, Instant as Moment};
use sunbid_tests::{
    World,
    anyrpc::{self, Names},
    attack::{Attack, Token, told},
};
use tonic::{Code, Status};

use crate::{Form, Played};

/// Of the right role, with nothing to do with the tender.
const STRANGER: Part = Part {
    profile: "other-purchaser",
    code: "12140600MB0000021",
    name: "另一采购单位",
    kinds: &[Kind::Purchaser],
    account: "14000000000000000021",
};

/// Id of a request that was made before the attack.
const ASKED: &str = "5e0c7e9a-6f1d-4c55-9d0b-2f3a61d0a001";

/// Hostile calls at least.
const LEAST: usize = 1000;

const ROLES: [Role; 6] = [
    Role::Administrator,
    Role::Purchaser,
    Role::Reviewer,
    Role::Supplier,
    Role::Supervisor,
    Role::Trustee,
];

struct Play {
    world: World,
    attack: Attack,
    /// A tender with a bid, its bidder and its bidder's people.
    real: Names,
    absent: Names,
    /// Answers to a stranger before there was a bid, by RPC.
    before_the_bid: BTreeMap<String, String>,
}

pub async fn run(form: Form) -> Played {
    let rounds = match form {
        Form::Short => 1,
        Form::Long => 10,
    };
    let mut play = Play::prepare().await?;
    let begun = Instant::now();
    let honest = play.honest().await?;
    let (before, kept_before) = play.attack.state().await?;
    for _ in 0..rounds {
        play.wrong_roles().await?;
        play.bad_tokens(&honest).await?;
        play.wrong_organisations().await?;
        play.used_again().await?;
        play.forged_certificates().await?;
        play.others_page_tokens().await?;
        play.bad_bytes().await?;
        play.bad_calls().await?;
    }
    let took = begun.elapsed();
    // Refusals are written a moment after they are told.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (after, kept) = play.attack.state().await?;
    let changed: Vec<_> = after
        .iter()
        .filter(|(log, head)| before.get(*log) != Some(head))
        .map(|(log, _)| log.as_str())
        .collect();
    for found in &play.attack.found {
        eprintln!("  {found}");
    }
    ensure!(changed.is_empty(), "records were made in {changed:?}");
    ensure!(before.len() == after.len(), "logs are gone");
    play.told_to_supervisors().await?;
    // It stands, and serves those who may.
    let purchaser = play.world.stage.of(PURCHASER.profile).await?;
    purchaser.platform().await?;
    let (mut calls, mut refused, mut revealed) = (0, 0, 0);
    let mut kinds = Vec::new();
    for (kind, figures) in &play.attack.figures {
        ensure!(
            figures.succeeded == 0,
            "{kind}: {} succeeded",
            figures.succeeded
        );
        calls += figures.calls;
        refused += figures.refused;
        revealed += figures.revealed;
        kinds.push(format!("{kind} {}", figures.calls));
    }
    ensure!(calls >= LEAST, "only {calls} calls were made");
    ensure!(revealed == 0, "{revealed} answers told what exists");
    play.world.stage.strike().await;
    Ok(format!(
        "{calls} hostile calls, {refused} refused, 0 succeeded, {revealed} revealed; {} records \
         changed, {} access records made, in {:.1} s; by kind: {}",
        changed.len(),
        kept - kept_before,
        took.as_secs_f64(),
        kinds.join(", ")
    ))
}

impl Play {
    async fn prepare() -> anyhow::Result<Self> {
        let world = World::raise().await?;
        world.stage.enrol_supplier(&STRANGER).await?;
        let tender = world.announced(0).await?;
        let [bidder, ..] = &SUPPLIERS;
        let known = world.stage.of(bidder.profile).await?;
        let asking = world.stage.of(SUPPLIERS[2].profile).await?;
        let question = AskQuestionRequest {
            request_id: ASKED.to_owned(),
            tender: tender.name.clone(),
            text: "交货地点可否变更".to_owned(),
        };
        asking.notice().ask_question(question).await?;
        let (organization, subject) = (known.organization()?, known.subject()?.name.clone());
        let nobody = "organizations/91140600MA00099996".to_owned();
        let real = Names {
            tender: tender.name.clone(),
            lot_id: "01".to_owned(),
            organization: organization.clone(),
            subject: subject.clone(),
            request_id: None,
            page_token: String::new(),
        };
        let mut play = Self {
            attack: Attack::on(&world).await?,
            before_the_bid: BTreeMap::new(),
            absent: Names {
                tender: "tenders/00000000-0000-4000-8000-000000000000".to_owned(),
                subject: subject.replace(&organization, &nobody),
                organization: nobody,
                ..real.clone()
            },
            real,
            world,
        };
        play.before_the_bid = play.answers_to_a_stranger().await?;
        let stage = &play.world.stage;
        let sealed = make_bid(stage, bidder, &tender, "01", "2700000.00", 1, 1).await?;
        submit(stage, bidder, &sealed).await?;
        Ok(play)
    }

    /// RPCs that are not for everybody, with their rows.
    fn guarded(&self) -> anyhow::Result<Vec<(MethodDescriptor, &'static Row)>> {
        let mut guarded = Vec::new();
        for method in &self.attack.methods {
            let path = anyrpc::path(method);
            let row = access::row(&path).with_context(|| format!("{path} has no row"))?;
            if row.access != Access::Public {
                guarded.push((method.clone(), row));
            }
        }
        Ok(guarded)
    }

    /// Somebody of a role that is not there, of an organisation that nothing belongs to.
    fn somebody(&self, role: Role) -> anyhow::Result<Token> {
        let organization = "organizations/91140600MA00088885";
        let subject = format!("{organization}/subjects/{}", role.as_str_name());
        let claims = self.attack.claims(organization, &subject, role);
        self.attack.signed("token", &claims)
    }

    /// Asks both, and wants one and the same refusal with `code`.
    async fn refused(
        &mut self,
        kind: &'static str,
        method: &MethodDescriptor,
        token: &Token,
        code: Code,
    ) -> anyhow::Result<()> {
        let (real, absent) = (self.real.clone(), self.absent.clone());
        let answers = self
            .attack
            .compare(kind, method, token, [&real, &absent])
            .await?;
        for answer in &answers {
            let path = anyrpc::path(method);
            ensure!(
                answer.status.code() == code,
                "{kind}: {path} says {:?}",
                answer.status
            );
        }
        Ok(())
    }

    async fn wrong_roles(&mut self) -> anyhow::Result<()> {
        for (method, row) in self.guarded()? {
            self.refused("no token", &method, &None, Code::Unauthenticated)
                .await?;
            let Access::Roles(may) = row.access else {
                continue;
            };
            for role in ROLES.into_iter().filter(|role| !may.contains(role)) {
                let token = self.somebody(role)?;
                self.refused("wrong role", &method, &token, Code::PermissionDenied)
                    .await?;
            }
            if !may.contains(&Role::Service) {
                let token = self.attack.service("bid")?;
                self.refused("a service's token", &method, &token, Code::PermissionDenied)
                    .await?;
            }
        }
        Ok(())
    }

    /// A supplier's token that is good, and one whose session has ended.
    async fn honest(&self) -> anyhow::Result<(Token, Token)> {
        let good = self.world.stage.of(SUPPLIERS[2].profile).await?;
        let leaving = self.world.stage.of(SUPPLIERS[3].profile).await?;
        let ended = leaving.authorization();
        leaving.registry().sign_out(SignOutRequest {}).await?;
        let whoami = self.attack.methods.iter();
        let whoami = whoami.clone().find(|m| m.name() == "GetCaller");
        let whoami = whoami.context("there is GetCaller")?;
        // Every service hears of it within seconds.
        for _ in 0..200 {
            let said = self.attack.ask(whoami, &ended, &self.real).await?;
            if said.status.code() == Code::Unauthenticated {
                return Ok((good.authorization(), ended));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("a token lives on though its session has ended")
    }

    async fn bad_tokens(&mut self, (good, revoked): &(Token, Token)) -> anyhow::Result<()> {
        let text = good.as_ref().context("signed in")?.to_str()?.to_owned();
        let bearer = text.strip_prefix("Bearer ").context("a bearer's token")?;
        let (claims, signature) = bearer.split_once('.').context("two parts")?;
        let altered = |text: &str| -> String {
            let swap = |(at, c): (usize, char)| match (at % 7, c) {
                (3, 'A') => 'B',
                (3, _) => 'A',
                _ => c,
            };
            text.chars().enumerate().map(swap).collect()
        };
        let attack = &self.attack;
        let person = attack.claims(&self.real.organization, &self.real.subject, Role::Supplier);
        let supervisor = attack.claims(
            &self.real.organization,
            &self.real.subject,
            Role::Supervisor,
        );
        let mut service = attack.claims("", "services/opening", Role::Service);
        let token = |text: String| -> anyhow::Result<Token> { Ok(Some(text.parse()?)) };
        let mut bad = vec![
            (
                "stale token",
                attack.signed("token", &attack.ended(&person))?,
            ),
            ("revoked token", revoked.clone()),
            (
                "token of another platform",
                attack.signed("token", &attack.elsewhere(&person))?,
            ),
            ("forged token", attack.foreign(&supervisor)?),
            ("forged token", attack.foreign(&service)?),
            // One service in the name of another, and the registry in the name of a service.
            (
                "other service's token",
                attack.signed("service-bid", &service)?,
            ),
            ("other service's token", attack.signed("token", &service)?),
            (
                "other service's token",
                attack.signed("service-bid", &supervisor)?,
            ),
            ("altered token", token(text[..text.len() - 2].to_owned())?),
            ("altered token", token(format!("Bearer {claims}."))?),
            ("altered token", token(format!("Basic {bearer}"))?),
            (
                "altered token",
                token(format!("Bearer {}.{signature}", altered(claims)))?,
            ),
            (
                "altered token",
                token(format!("Bearer {claims}.{}", altered(signature)))?,
            ),
            ("altered token", token("Bearer ".to_owned())?),
            (
                "altered token",
                token(format!("Bearer {}", "A".repeat(6000)))?,
            ),
        ];
        service.organization.clone_from(&self.real.organization);
        bad.push((
            "other service's token",
            self.attack.signed("service-opening", &service)?,
        ));
        for (method, _) in self.guarded()? {
            for (kind, token) in &bad {
                self.refused(kind, &method, token, Code::Unauthenticated)
                    .await?;
            }
        }
        Ok(())
    }

    /// The right role, and a record that is another's: it is as if it were not there. Of a public tender
    /// a supplier may know; that another has bid since, nothing says.
    async fn wrong_organisations(&mut self) -> anyhow::Result<()> {
        let kind = "wrong organisation";
        let (real, absent) = (self.real.clone(), self.absent.clone());
        for (method, row) in self.guarded()? {
            let Access::Roles(may) = row.access else {
                continue;
            };
            let others: &[Role] = match row.relation {
                Relation::Any | Relation::Own => continue,
                Relation::OwnOrOverseer => &[Role::Supplier, Role::Purchaser, Role::Trustee],
                Relation::Party => &[Role::Purchaser],
                Relation::Purchaser | Relation::Holder => &ROLES,
            };
            for role in others.iter().filter(|role| may.contains(role)) {
                let token = self.somebody(*role)?;
                let path = anyrpc::path(&method);
                let mut said = Vec::new();
                for names in [&real, &absent] {
                    let answer = self.attack.ask(&method, &token, names).await?;
                    // Waiting for one's own news is no answer.
                    self.attack
                        .note(kind, &path, answer.messages.concat().is_empty());
                    said.push(told(&answer).replace(&names.tender, "the tender"));
                }
                if said[0] != said[1] {
                    let said = [said[0].clone(), said[1].clone()];
                    self.attack.reveal(kind, &path, &said);
                }
            }
        }
        let now = self.answers_to_a_stranger().await?;
        for (path, after) in now {
            self.attack
                .note(kind, &path, !after.contains(&self.real.organization));
            match self.before_the_bid.get(&path).cloned() {
                Some(before) if before == after => {}
                before => {
                    let said = [before.unwrap_or_default(), after];
                    self.attack.reveal(kind, &path, &said);
                }
            }
        }
        Ok(())
    }

    /// What somebody is told who asks of the tender what one may ask of one's own.
    async fn answers_to_a_stranger(&self) -> anyhow::Result<BTreeMap<String, String>> {
        // Nothing is done that is one's own to do: such a request has no identity.
        let names = Names {
            request_id: Some(String::new()),
            ..self.real.clone()
        };
        let mut answers = BTreeMap::new();
        for (method, row) in self.guarded()? {
            let Access::Roles(may) = row.access else {
                continue;
            };
            if row.relation != Relation::Own {
                continue;
            }
            for role in ROLES.iter().filter(|role| may.contains(role)) {
                let token = self.somebody(*role)?;
                let answer = self.attack.ask(&method, &token, &names).await?;
                let shown = String::from_utf8_lossy(&answer.messages.concat()).into_owned();
                answers.insert(anyrpc::path(&method), format!("{} {shown}", told(&answer)));
            }
        }
        Ok(answers)
    }

    /// A request id that was used, with other content; and another's id.
    async fn used_again(&mut self) -> anyhow::Result<()> {
        let kind = "request used again";
        let profile = self.world.stage.of(SUPPLIERS[2].profile).await?;
        let other = self.world.stage.of(SUPPLIERS[1].profile).await?;
        let first = AskQuestionRequest {
            request_id: ASKED.to_owned(),
            tender: self.real.tender.clone(),
            text: String::new(),
        };
        for number in 0..50 {
            let again = AskQuestionRequest {
                text: format!("other content {number}"),
                ..first.clone()
            };
            let answer = profile.notice().ask_question(again).await;
            let refused = answer.is_err_and(|status| status.code() == Code::InvalidArgument);
            self.attack.note(kind, "AskQuestion", refused);
        }
        // Nobody gets another's first answer by its id: the tender is not there.
        let elsewhere = AskQuestionRequest {
            tender: self.absent.tender.clone(),
            text: "a question".to_owned(),
            ..first
        };
        let answer = other.notice().ask_question(elsewhere).await;
        self.attack.note(kind, "AskQuestion", answer.is_err());
        Ok(())
    }

    /// Certificates of an authority of one's own, made out to organisations that are here.
    async fn forged_certificates(&mut self) -> anyhow::Result<()> {
        let now = self.world.stage.now().await?;
        let year = 365 * 86_400;
        let (from, until) = (now.plus_seconds(-year), now.plus_seconds(year));
        let forger = TrialAuthority::new("Sunbid demo root", from, until)?;
        for part in [&CENTRE, &PURCHASER, &SUPPLIERS[0], &HOLDERS[0]] {
            for (not_before, not_after) in [(from, until), (from, now.plus_seconds(-86_400))] {
                let code = CreditCode::complete(part.code)?;
                let forged = forger.issue(&TrialSubject {
                    credit_code: code.as_str(),
                    organization: part.name,
                    common_name: "管理员",
                    not_before,
                    not_after,
                })?;
                let refused = self
                    .sign_in_with(&forged.certificate_pem, &forged.key_pem)
                    .await?;
                self.attack
                    .note("forged certificate", part.profile, refused);
            }
        }
        // The right certificate, which is no secret, without its key.
        let mut registry = self.world.stage.anyone().await?.registry();
        for part in [&CENTRE, &PURCHASER, &SUPPLIERS[0], &HOLDERS[0]] {
            let connection = self.world.stage.of(part.profile).await?;
            let certificate = connection.profile()?.certificate.clone();
            for signature in [Vec::new(), vec![7; 64], vec![0; 72], vec![0x30; 70]] {
                let challenge = registry.create_challenge(CreateChallengeRequest {}).await?;
                let request = SignInRequest {
                    challenge: challenge.into_inner().challenge,
                    certificate: certificate.clone(),
                    signature,
                };
                let refused = registry.sign_in(request).await.is_err();
                self.attack.note("forged signature", part.profile, refused);
            }
        }
        Ok(())
    }

    /// Whether signing in with a certificate is refused.
    async fn sign_in_with(&self, certificate: &str, key: &str) -> anyhow::Result<bool> {
        let folder = tempfile::tempdir()?;
        let known = self.world.stage.of(PURCHASER.profile).await?;
        let anchors = Some(known.anchors()?);
        let endpoint = self.world.stage.endpoint();
        Profile::write(folder.path(), endpoint, None, certificate, key, anchors)?;
        let profile = Profile::read(&folder.path().display().to_string())?;
        let outcome = Connection::signed_in(Arc::new(profile), true).await;
        // Refused by the platform, that is, and not for want of anything here.
        Ok(outcome.is_err_and(|error| error.downcast_ref::<Status>().is_some()))
    }

    /// Page tokens of other queries and other people.
    async fn others_page_tokens(&mut self) -> anyhow::Result<()> {
        let centre = self.world.stage.of(CENTRE.profile).await?;
        let list = ListOrganizationsRequest {
            page_size: 1,
            ..ListOrganizationsRequest::default()
        };
        let organizations = centre.registry().list_organizations(list).await?;
        let list = ListNoticesRequest {
            page_size: 1,
            ..ListNoticesRequest::default()
        };
        let notices = centre.notice().list_notices(list).await?;
        let tokens = [
            organizations.into_inner().next_page_token,
            notices.into_inner().next_page_token,
        ];
        ensure!(
            tokens.iter().all(|token| !token.is_empty()),
            "no second page"
        );
        for (method, row) in self.guarded()? {
            let Access::Roles(may) = row.access else {
                continue;
            };
            let own = "ListOrganizations";
            if !method.name().starts_with("List") || may == [Role::Service] || method.name() == own
            {
                continue;
            }
            for token in &tokens {
                let names = Names {
                    page_token: token.clone(),
                    ..self.real.clone()
                };
                for role in may.iter().filter(|role| **role != Role::Service) {
                    let who = self.somebody(*role)?;
                    let answer = self.attack.ask(&method, &who, &names).await?;
                    let refused = answer.status.code() != Code::Ok && answer.messages.is_empty();
                    let path = anyrpc::path(&method);
                    self.attack.note("others' page token", &path, refused);
                }
            }
        }
        Ok(())
    }

    /// Bytes that are no request, and too many of them, to RPCs that the caller may call.
    async fn bad_bytes(&mut self) -> anyhow::Result<()> {
        for (method, row) in self.guarded()? {
            // What takes no content takes any.
            if method.input().fields().len() == 0 {
                continue;
            }
            let Access::Roles(may) = row.access else {
                continue;
            };
            let path = anyrpc::path(&method);
            for role in may.iter().filter(|role| **role != Role::Service) {
                let token = self.somebody(*role)?;
                let long = vec![0x0a; 9 * 1024 * 1024];
                for (kind, body) in [
                    ("malformed message", vec![0xff; 64]),
                    ("malformed message", vec![0x0a, 0x7f, 0x01]),
                    ("oversized message", long),
                ] {
                    let answer =
                        anyrpc::call(&self.attack.channel, &method, body, token.as_ref()).await;
                    let refused = answer.is_ok_and(|answer| {
                        answer.messages.is_empty() && answer.status.code() != Code::Ok
                    });
                    self.attack.note(kind, &path, refused);
                }
            }
        }
        Ok(())
    }

    /// Calls that are none of gRPC's: other methods, other contents, other names, floods of headers.
    async fn bad_calls(&mut self) -> anyhow::Result<()> {
        let token = self.somebody(Role::Supervisor)?;
        let token = token.context("a token")?;
        let paths: BTreeSet<String> = self
            .guarded()?
            .iter()
            .map(|(m, _)| anyrpc::path(m))
            .collect();
        let trail = self.attack.methods.iter();
        let trail = trail.clone().find(|m| m.name() == "ListTrail");
        let trail = trail.context("there is ListTrail")?.clone();
        let framed = |names: &Names| -> anyhow::Result<Vec<u8>> {
            let bytes = anyrpc::request(&trail, names);
            let length = u32::try_from(bytes.len())?.to_be_bytes();
            Ok([&[0], length.as_slice(), &bytes].concat())
        };
        let bodies = [framed(&self.real)?, framed(&self.absent)?];
        let shown = token.to_str()?;
        let base = |path: &str, body: &[u8]| {
            http::Request::post(path)
                .header("content-type", "application/grpc")
                .header("te", "trailers")
                .header("authorization", shown)
                .body(body.to_vec())
        };
        for path in &paths {
            for kind in [
                "wrong content type",
                "wrong method",
                "header flood",
                "wrong frame",
            ] {
                let mut said = Vec::new();
                for body in &bodies {
                    let mut request = base(path, body)?;
                    match kind {
                        "wrong content type" => {
                            let json = http::HeaderValue::from_static("application/json");
                            request.headers_mut().insert("content-type", json);
                        }
                        "wrong method" => *request.method_mut() = http::Method::DELETE,
                        "header flood" => {
                            for number in 0..300 {
                                let name: http::HeaderName = format!("x-{number}").parse()?;
                                let value = http::HeaderValue::from_str(&"x".repeat(100))?;
                                request.headers_mut().insert(name, value);
                            }
                        }
                        // Longer than anything, says its beginning, and of no known form.
                        _ => request
                            .body_mut()
                            .splice(0..5, [9, 0xff, 0xff, 0xff, 0xff])
                            .for_each(drop),
                    }
                    let (answer, refused) = self.attack.raw(request).await?;
                    self.attack.note(kind, path, refused);
                    said.push(answer);
                }
                if said[0] != said[1] {
                    let said = [said[0].clone(), said[1].clone()];
                    self.attack.reveal(kind, path, &said);
                }
            }
        }
        for (method, row) in self.guarded()? {
            if matches!(row.access, Access::Roles(may) if may.contains(&Role::Supervisor)) {
                let answer = anyrpc::bomb(&self.attack.channel, &method, token.clone()).await?;
                let refused = answer.messages.is_empty();
                self.attack
                    .note("gzip bomb", &anyrpc::path(&method), refused);
            }
        }
        for path in [
            "/sunbid.bid.v1.BidService/Nothing",
            "/sunbid.bid.v1.BidService/",
            "/sunbid.none.v1.NoneService/Get",
            "/SUNBID.BID.V1.BIDSERVICE/GETBID",
            "/sunbid.audit.v1.AuditService/ListTrail/",
            "//sunbid.audit.v1.AuditService/ListTrail",
            "/",
            "/metrics",
        ] {
            for body in &bodies {
                let (_, refused) = self.attack.raw(base(path, body)?).await?;
                self.attack.note("unknown method", path, refused);
            }
        }
        Ok(())
    }

    /// The supervisor reads of it what tells of no supplier, page by page.
    async fn told_to_supervisors(&self) -> anyhow::Result<()> {
        let supervisor = self.world.stage.of(HOLDERS[0].profile).await?;
        let today = self.world.stage.now().await?;
        let day = today.china_date().format("%Y-%m-%d").to_string();
        let mut all: Vec<AccessEntry> = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = ListAccessRequest {
                day: day.clone(),
                service: String::new(),
                page_size: 20,
                page_token,
            };
            let page = supervisor.audit().list_access(request).await?.into_inner();
            all.extend(page.entries);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        ensure!(all.len() > 20, "only {} accesses are told of", all.len());
        let times: Vec<Moment> = all.iter().map(|e| Moment::from_micros(e.at_us)).collect();
        ensure!(times.is_sorted(), "accesses are told out of order");
        for entry in &all {
            let supplier = entry.roles.iter().any(|role| role == "supplier");
            ensure!(
                !supplier && !entry.roles.is_empty(),
                "a supervisor reads of a supplier before the opening: {entry:?}"
            );
        }
        let own = all.iter().any(|entry| entry.rpc.ends_with("/ListAccess"));
        ensure!(own, "reading the access log is not on record itself");
        Ok(())
    }
}
