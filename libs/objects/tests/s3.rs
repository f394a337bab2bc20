//! The same files in a local folder and in a real server that speaks S3: what is put comes back, and what
//! is lost, cut or changed is told apart and never handed out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use ring::digest::{SHA256, digest};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use sunbid_objects::{
    LEAST_PIECE, Remote, Room, Sha256Check, Store, StoreFault,
    trial::{BUCKET, Server, settings},
};

const CHUNK: usize = 1024 * 1024;

fn anywhere() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

fn content(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at % 251) as u8).collect()
}

async fn put(room: &Room, folder: &Path, name: &str, content: &[u8]) {
    let staged = folder.join("staged");
    std::fs::write(&staged, content).unwrap();
    room.admit(&staged, name).await.unwrap();
    assert!(!staged.exists());
}

async fn get(room: &Room, name: &str, content: &[u8]) -> Result<Vec<u8>, StoreFault> {
    let check = Sha256Check::new(digest(&SHA256, content).as_ref());
    let mut checked = room.check(name, content.len() as u64, CHUNK, check).await?;
    let mut whole = Vec::new();
    while let Some(chunk) = checked.next().await? {
        whole.extend_from_slice(&chunk);
    }
    assert!(checked.is_over());
    Ok(whole)
}

/// Puts, reads, changes and loses files; `object` is where the store has one.
async fn plays(store: &Store, folder: &Path, object: impl Fn(&str) -> PathBuf) {
    let room = store.room("service", "kind");
    for length in [1, CHUNK, 2 * CHUNK + 1, 9 * CHUNK + 17] {
        let (content, name) = (content(length), format!("ab/{length}"));
        put(&room, folder, &name, &content).await;
        assert_eq!(room.size(&name).await.unwrap(), Some(length as u64));
        assert_eq!(get(&room, &name, &content).await.unwrap(), content);
        let mut changed = content.clone();
        changed[length / 2] ^= 1;
        std::fs::write(object(&name), &changed).unwrap();
        let fault = get(&room, &name, &content).await.unwrap_err();
        assert!(matches!(fault, StoreFault::Changed), "{fault}");
        std::fs::write(object(&name), &content[1..]).unwrap();
        let fault = get(&room, &name, &content).await.unwrap_err();
        assert!(matches!(fault, StoreFault::Length { .. }), "{fault}");
        std::fs::remove_file(object(&name)).unwrap();
        let fault = get(&room, &name, &content).await.unwrap_err();
        assert!(matches!(fault, StoreFault::Lost), "{fault}");
        assert_eq!(room.size(&name).await.unwrap(), None);
        room.remove(&name).await.unwrap();
        put(&room, folder, &name, &content).await;
        room.remove(&name).await.unwrap();
        assert!(!object(&name).exists());
    }
    // What changes between the two readings is not handed out either.
    let content = content(5 * CHUNK);
    put(&room, folder, "ab/late", &content).await;
    let check = Sha256Check::new(digest(&SHA256, &content).as_ref());
    let bytes = content.len() as u64;
    let mut checked = room.check("ab/late", bytes, CHUNK, check).await.unwrap();
    checked.next().await.unwrap().unwrap();
    let mut changed = content.clone();
    *changed.last_mut().unwrap() ^= 1;
    std::fs::write(object("ab/late"), &changed).unwrap();
    let fault = loop {
        match checked.next().await {
            Ok(chunk) => assert!(chunk.is_some(), "the changed chunk was handed out"),
            Err(fault) => break fault,
        }
    };
    assert!(matches!(fault, StoreFault::Changed), "{fault}");
}

#[tokio::test]
async fn a_local_folder_keeps_files() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::in_folder(folder.path()).unwrap();
    let place = |name: &str| folder.path().join("service/kind").join(name);
    plays(&store, folder.path(), place).await;
}

#[tokio::test]
async fn a_server_that_speaks_s3_keeps_files() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"), anywhere(), None)
        .await
        .unwrap();
    let store = server.store(folder.path()).await.unwrap();
    let object = |name: &str| server.bucket().join("trial/service/kind").join(name);
    plays(&store, folder.path(), object).await;
}

#[tokio::test]
async fn pieces_become_a_file_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), anywhere(), None)
        .await
        .unwrap();
    let room = server
        .store(folder.path())
        .await
        .unwrap()
        .room("service", "kind");
    let whole = content(LEAST_PIECE as usize + 99);
    let (first, last) = whole.split_at(LEAST_PIECE as usize);
    let id = room.begin("ab/x").await.unwrap();
    let one = room
        .put_piece("ab/x", &id, 0, Bytes::copy_from_slice(first))
        .await
        .unwrap();
    // From another process, which knows no more than these names.
    let room = server
        .store(folder.path())
        .await
        .unwrap()
        .room("service", "kind");
    let two = room
        .put_piece("ab/x", &id, 1, Bytes::copy_from_slice(last))
        .await
        .unwrap();
    assert_eq!(room.size("ab/x").await.unwrap(), None);
    let (pieces, bytes) = (vec![one, two], whole.len() as u64);
    room.complete("ab/x", &id, pieces.clone(), bytes)
        .await
        .unwrap();
    assert_eq!(get(&room, "ab/x", &whole).await.unwrap(), whole);
    // The answer went missing, and it is asked again.
    room.complete("ab/x", &id, pieces, bytes).await.unwrap();
    let id = room.begin("ab/y").await.unwrap();
    room.put_piece("ab/y", &id, 0, Bytes::copy_from_slice(first))
        .await
        .unwrap();
    room.abandon("ab/y", &id).await.unwrap();
    let late = room.put_piece("ab/y", &id, 1, Bytes::copy_from_slice(last));
    late.await.unwrap_err();
    assert_eq!(room.size("ab/y").await.unwrap(), None);
    // Again, by a sweep that was cut short.
    room.abandon("ab/y", &id).await.unwrap();
}

#[tokio::test]
async fn a_store_that_is_away_or_another_has_lost_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), anywhere(), None)
        .await
        .unwrap();
    let room = server
        .store(folder.path())
        .await
        .unwrap()
        .room("service", "kind");
    let content = content(3);
    put(&room, folder.path(), "ab/x", &content).await;
    let wrong = |change: fn(&mut Remote)| {
        let mut settings = server.settings();
        change(&mut settings);
        Store::remote(folder.path(), &settings).unwrap()
    };
    for store in [
        wrong(|settings| settings.credentials.secret_access_key = "another".into()),
        wrong(|settings| settings.bucket = "none-such".into()),
        // Never checked, so never marked as this installation's.
        wrong(|settings| settings.prefix = "other".into()),
    ] {
        let fault = get(&store.room("service", "kind"), "ab/x", &content)
            .await
            .unwrap_err();
        assert!(matches!(fault, StoreFault::Away(_)), "{fault}");
    }
    let stranger = wrong(|settings| settings.credentials.access_key_id = "nobody".into());
    let fault = stranger.check().await.unwrap_err();
    assert!(matches!(fault, StoreFault::Away(_)), "{fault}");
    server.kill().await;
    let fault = get(&room, "ab/x", &content).await.unwrap_err();
    assert!(matches!(fault, StoreFault::Away(_)), "{fault}");
}

#[tokio::test]
async fn only_a_named_authority_is_believed() {
    let folder = tempfile::tempdir().unwrap();
    let issued = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(issued.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![issued.cert.der().clone()], key)
        .unwrap();
    let server = Server::start(folder.path(), anywhere(), Some(Arc::new(tls)))
        .await
        .unwrap();
    let endpoint = format!("https://localhost:{}", server.address().port());
    let strange = Store::remote(folder.path(), &settings(&endpoint)).unwrap();
    let fault = strange.check().await.unwrap_err();
    assert!(matches!(fault, StoreFault::Away(_)), "{fault}");
    let known = Remote {
        authority: Some(issued.cert.pem().into_bytes()),
        ..settings(&endpoint)
    };
    let store = Store::remote(folder.path(), &known).unwrap();
    store.check().await.unwrap();
    assert!(
        folder
            .path()
            .join(BUCKET)
            .join("trial/sunbid-files")
            .exists()
    );
    // Without TLS only where that is said.
    let plain = Remote {
        allow_http: false,
        ..server.settings()
    };
    let plain = Store::remote(folder.path(), &plain);
    let refused = match plain {
        Err(_) => true,
        Ok(store) => store.check().await.is_err(),
    };
    assert!(refused);
    let nonsense = Remote {
        authority: Some(b"nothing".to_vec()),
        ..known
    };
    assert!(Store::remote(folder.path(), &nonsense).is_err());
}
