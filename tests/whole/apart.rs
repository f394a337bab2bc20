//! Every service as a process of its own, over mutual TLS, behind a front door: a short tender is played to
//! its opening while processes are killed, stopped and started again, and who shows no certificate of the
//! platform's authority gets nothing from a service.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{path::Path, time::Duration};

use sunbid_certificates::{machine, trial::TrialAuthority};
use sunbid_cli::{
    commands::verify,
    demo::{
        acts::{make_bid, submit},
        cast::{PURCHASER, SUPPLIERS},
    },
};
use sunbid_contracts::{
    journal::v1::{ListHeadsRequest, log_service_client::LogServiceClient},
    opening::v1::{GetSessionRequest, SessionState},
    registry::v1::{GetPlatformRequest, registry_service_client::RegistryServiceClient},
};
use sunbid_platform::{Config, readiness::health_name, serve::SERVICES};
use sunbid_service::{
    Keys, Peers,
    clock::SandboxClock,
    peers::{Identity, Roads},
    tls::{Files, Passport},
};
use sunbid_terms::Instant;
use sunbid_tests::{OUTPUT, World};
use tonic::{
    Code,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint},
};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

/// Each folder has its own service's keys, and of the others' the public halves.
fn keys_are_apart(world: &World) {
    for service in SERVICES {
        let mut secret = Vec::new();
        for file in std::fs::read_dir(world.stage.part(service).join("keys")).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            if !name.ends_with(".pub") && name != "log.verifier" {
                secret.push(name);
            }
        }
        let mut own = vec![
            format!("service-{service}.pk8"),
            format!("pages-{service}.secret"),
        ];
        own.extend(match service {
            "registry" => vec![
                "token.pk8".into(),
                "challenges.secret".into(),
                "accounts.secret".into(),
            ],
            "bid" => vec!["receipt.pk8".into()],
            "audit" => vec!["log.secret".into(), "blinding.secret".into()],
            _ => Vec::new(),
        });
        secret.retain(|name| !own.contains(name));
        assert_eq!(secret, Vec::<String>::new(), "{service}");
    }
    assert!(!world.stage.part("front").join("keys").exists());
}

fn address(world: &World, service: &str) -> String {
    let config = Config::read(&world.stage.part(service)).unwrap();
    config.listen.to_string()
}

fn passport(certificate: &Path, authority: &Path) -> Passport {
    let files = Files {
        certificate: certificate.with_extension("pem"),
        key: certificate.with_extension("key.pem"),
    };
    Passport::open(&files, authority).unwrap()
}

/// What a service says to whoever comes with `endpoint`: any answer at all, or none.
async fn answers(endpoint: Endpoint) -> bool {
    let mut client = RegistryServiceClient::new(endpoint.connect_lazy());
    match client.get_platform(GetPlatformRequest {}).await {
        Ok(_) => true,
        Err(status) => {
            // The connection failed; a service that answers has no such source.
            assert!(std::error::Error::source(&status).is_some(), "{status:?}");
            false
        }
    }
}

/// Only certificates of the platform's own authority open a service's port.
async fn strangers_get_nothing(world: &World) {
    let place = address(world, "registry");
    let own = world.stage.certificates();
    let authority = own.join("authority.pem");
    let known = passport(&own.join("bid"), &authority);
    assert!(answers(known.endpoint("registry", &place).unwrap()).await);
    // Who answers must be who was called.
    assert!(!answers(known.endpoint("audit", &place).unwrap()).await);
    // Nothing encrypted, no certificate, and one of an authority that only has the same name.
    let plain = Endpoint::from_shared(format!("http://{place}")).unwrap();
    assert!(!answers(plain).await);
    let trusting = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(std::fs::read(&authority).unwrap()))
        .domain_name(machine::service_name("registry"));
    let bare = Endpoint::from_shared(format!("https://{place}")).unwrap();
    assert!(!answers(bare.tls_config(trusting).unwrap()).await);
    let desk = world.stage.desk("forger").unwrap();
    let (from, until) = (
        Instant::from_seconds(1_700_000_000),
        Instant::from_seconds(4_000_000_000),
    );
    let forger = TrialAuthority::new("Sunbid trial services", from, until).unwrap();
    let names = [machine::service_name("bid")];
    let forged = forger.issue_machine("bid", &names, from, until).unwrap();
    std::fs::write(desk.join("bid.pem"), &forged.certificate_pem).unwrap();
    let key = desk.join("bid.key.pem");
    std::fs::write(&key, &forged.key_pem).unwrap();
    let owner_only = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&key, owner_only).unwrap();
    let stranger = passport(&desk.join("bid"), &authority);
    assert!(!answers(stranger.endpoint("registry", &place).unwrap()).await);
}

/// A service's token is good on a connection of that service alone.
async fn tokens_need_their_certificate(world: &World) {
    let own = world.stage.certificates();
    let authority = own.join("authority.pem");
    let place = address(world, "registry");
    let keys = Keys::open(&world.stage.part("bid").join("keys")).unwrap();
    let clock = SandboxClock::open(&world.data().join("sandbox-clock")).unwrap();
    let clock = std::sync::Arc::new(clock);
    let pair = keys.pair("service-bid").unwrap();
    let read = async |certificate: &str| {
        let endpoint = passport(&own.join(certificate), &authority)
            .endpoint("registry", &place)
            .unwrap();
        let identity = Identity::new("bid", pair.clone(), clock.clone(), "sandbox.demo");
        let peers = Peers::by(std::sync::Arc::new(Roads::one(&endpoint)), identity);
        let request = ListHeadsRequest {
            service: "registry".to_owned(),
            ..ListHeadsRequest::default()
        };
        peers.logs("registry").list_heads(request).await
    };
    assert!(!read("bid").await.unwrap().into_inner().heads.is_empty());
    for other in ["notice", "front"] {
        let refused = read(other).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated, "{other}");
    }
}

async fn front(world: &World) -> Channel {
    let authority = std::fs::read(world.stage.certificates().join("authority.pem")).unwrap();
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(authority));
    let endpoint = Endpoint::from_shared(world.stage.endpoint().to_owned()).unwrap();
    endpoint.tls_config(tls).unwrap().connect().await.unwrap()
}

/// Waits until the front door says that `service` can work, or that it cannot.
async fn becomes(world: &World, service: &str, wanted: ServingStatus) {
    let mut health = HealthClient::new(front(world).await);
    for _ in 0..600 {
        let request = HealthCheckRequest {
            service: health_name(service),
        };
        let answer = health
            .check(request)
            .await
            .map(|answer| answer.into_inner());
        if answer.is_ok_and(|answer| answer.status() == wanted) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{service} did not become {wanted:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tender_is_played_by_services_that_run_apart() {
    let world = World::raise_apart().await.unwrap();
    let stage = &world.stage;
    keys_are_apart(&world);
    strangers_get_nothing(&world).await;
    tokens_need_their_certificate(&world).await;
    for service in SERVICES {
        becomes(&world, service, ServingStatus::Serving).await;
    }
    // What services say to each other is not for the outside, whatever token it comes with.
    let outside = LogServiceClient::new(front(&world).await)
        .list_heads(ListHeadsRequest::default())
        .await
        .unwrap_err();
    assert_eq!(outside.code(), Code::Unimplemented);

    let tender = world.announced(0).await.unwrap();
    let seal_and_submit = async |place: usize, amount: &str| {
        let supplier = &SUPPLIERS[place];
        let sealed = make_bid(stage, supplier, &tender, "01", amount, 1, 0)
            .await
            .unwrap();
        submit(stage, supplier, &sealed).await
    };
    seal_and_submit(0, "2700000.00").await.unwrap();
    // A service that is away is said to be away, and whoever needs it with it.
    stage.kill("bid").await;
    becomes(&world, "bid", ServingStatus::NotServing).await;
    becomes(&world, "opening", ServingStatus::NotServing).await;
    assert!(seal_and_submit(1, "2710000.00").await.is_err());
    stage.start_part("bid").await.unwrap();
    becomes(&world, "opening", ServingStatus::Serving).await;
    std::fs::remove_dir_all(stage.desk(SUPPLIERS[1].profile).unwrap()).unwrap();
    for (place, amount) in [(1, "2710000.00"), (2, "2720000.00")] {
        seal_and_submit(place, amount).await.unwrap();
    }
    // Asked to stop, a process ends well, and the others go on when it is back.
    for part in ["opening", "front"] {
        assert!(stage.stop(part).await.unwrap(), "{part} did not end well");
        stage.start_part(part).await.unwrap();
    }
    let deadline = tender.timetable.as_ref().unwrap().bid_deadline_us;
    stage.advance(Instant::from_micros(deadline)).await.unwrap();
    announced(&world, &tender.name).await;
    let connection = stage.anyone().await.unwrap();
    let desk = stage.desk("citizen").unwrap();
    for attempt in 0..100 {
        let folder = desk.join(format!("records-{attempt}"));
        if verify::download(&connection, &tender.name, &folder)
            .await
            .is_ok()
        {
            verify::check(&folder, None, &[], OUTPUT).unwrap();
            stage.strike().await;
            return;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    panic!("the records were not disclosed");
}

async fn announced(world: &World, tender: &str) {
    let connection = world.stage.of(PURCHASER.profile).await.unwrap();
    for _ in 0..900 {
        let request = GetSessionRequest {
            tender: tender.to_owned(),
        };
        let session = connection.opening().get_session(request).await;
        let session = session.ok().and_then(|answer| answer.into_inner().session);
        if session.is_some_and(|session| session.state() == SessionState::Announced) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the opening was not announced");
}
