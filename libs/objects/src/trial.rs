//! A real server that speaks S3, for tests and drills: it keeps buckets as folders, checks signatures and
//! takes uploads in pieces. Nothing here runs in production.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use s3s::{
    auth::SimpleAuth,
    service::{S3Service, S3ServiceBuilder},
};
use s3s_fs::FileSystem;
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;

use crate::{Credentials, Remote, Store};

/// The only bucket.
pub const BUCKET: &str = "sunbid";
pub const ACCESS_KEY_ID: &str = "trial";
pub const SECRET_ACCESS_KEY: &str = "a trial secret, worth nothing";

/// A server that runs until it is killed or dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    bucket: PathBuf,
    serving: JoinHandle<()>,
}

impl Server {
    /// Serves the buckets in `folder`, over TLS where `tls` is given.
    pub async fn start(
        folder: &Path,
        address: SocketAddr,
        tls: Option<Arc<rustls::ServerConfig>>,
    ) -> io::Result<Self> {
        let bucket = folder.join(BUCKET);
        std::fs::create_dir_all(&bucket)?;
        let files =
            FileSystem::new(folder).map_err(|error| io::Error::other(format!("{error:?}")))?;
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY_ID, SECRET_ACCESS_KEY));
        let service = builder.build();
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let tls = tls.map(TlsAcceptor::from);
        let serving = tokio::spawn(async move {
            // Connections end with this task.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, service.clone(), tls.clone()));
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self {
            address,
            bucket,
            serving,
        })
    }

    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the bucket's objects lie, each under its key.
    pub fn bucket(&self) -> &Path {
        &self.bucket
    }

    /// How it is reached.
    pub fn settings(&self) -> Remote {
        settings(&format!("http://{}", self.address))
    }

    /// A store on it, with `data` for what is on its way.
    pub async fn store(&self, data: &Path) -> io::Result<Store> {
        let store = Store::remote(data, &self.settings()).map_err(io::Error::other)?;
        store.check().await.map_err(io::Error::other)?;
        Ok(store)
    }

    /// Ends it at once, with all its connections.
    pub async fn kill(self) {
        self.serving.abort();
        while !self.serving.is_finished() {
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// How a trial server is reached.
pub fn settings(endpoint: &str) -> Remote {
    Remote {
        endpoint: Some(endpoint.to_owned()),
        bucket: BUCKET.to_owned(),
        region: "us-east-1".to_owned(),
        prefix: "trial".to_owned(),
        path_style: true,
        allow_http: endpoint.starts_with("http://"),
        authority: None,
        credentials: Credentials {
            access_key_id: ACCESS_KEY_ID.to_owned(),
            secret_access_key: SECRET_ACCESS_KEY.to_owned(),
        },
    }
}

async fn serve(stream: TcpStream, service: S3Service, tls: Option<TlsAcceptor>) {
    let http = Builder::new(TokioExecutor::new());
    // Who is at fault if a connection breaks is for the client to say.
    match tls {
        None => {
            let _ = http.serve_connection(TokioIo::new(stream), service).await;
        }
        Some(tls) => {
            if let Ok(stream) = tls.accept(stream).await {
                let _ = http.serve_connection(TokioIo::new(stream), service).await;
            }
        }
    }
}
