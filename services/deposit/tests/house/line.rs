//! The line to the bank, which tests cut: whole, or for one kind of message in one direction.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use sunbid_bankwire::{FrameReader, Message, write_frame};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// What is lost on the way; the line breaks where it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    Nothing,
    /// admi.007: the bank never hears that a notification was kept.
    Acknowledgements,
    /// pain.001: the order never reaches the bank.
    Orders,
    /// pain.002: the bank pays and its answer is lost.
    Reports,
}

struct Shared {
    to: Mutex<Option<SocketAddr>>,
    loss: Mutex<Loss>,
    lost: AtomicU64,
}

/// A line with a fixed end for the platform.
pub struct Line {
    address: SocketAddr,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

impl Line {
    pub async fn lay() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            to: Mutex::new(None),
            loss: Mutex::new(Loss::Nothing),
            lost: AtomicU64::new(0),
        });
        let mut tasks = JoinSet::new();
        let state = shared.clone();
        tasks.spawn(async move {
            let mut calls = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                let to = *state.to.lock().unwrap();
                if let Some(to) = to
                    && let Ok(far) = TcpStream::connect(to).await
                {
                    calls.spawn(call(near, far, state.clone()));
                }
            }
        });
        Self {
            address,
            shared,
            _tasks: tasks,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn lead_to(&self, to: Option<SocketAddr>) {
        *self.shared.to.lock().unwrap() = to;
    }

    pub fn lose(&self, loss: Loss) {
        *self.shared.loss.lock().unwrap() = loss;
    }

    /// How many messages were lost.
    pub fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::SeqCst)
    }
}

async fn call(near: TcpStream, far: TcpStream, shared: Arc<Shared>) {
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    tokio::select! {
        () = carry(near_read, far_write, &shared) => {}
        () = carry(far_read, near_write, &shared) => {}
    }
}

async fn carry(from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, shared: &Shared) {
    let mut reader = FrameReader::new(from);
    while let Ok(Some(bytes)) = reader.next().await {
        let kind = match Message::parse(&bytes) {
            Ok(Message::ReceiptAcknowledgement(_)) => Loss::Acknowledgements,
            Ok(Message::PaymentOrder(_)) => Loss::Orders,
            Ok(Message::StatusReport(_)) => Loss::Reports,
            _ => Loss::Nothing,
        };
        let loss = *shared.loss.lock().unwrap();
        if loss != Loss::Nothing && loss == kind {
            shared.lost.fetch_add(1, Ordering::SeqCst);
            return;
        }
        if write_frame(&mut to, &bytes).await.is_err() {
            return;
        }
    }
}
