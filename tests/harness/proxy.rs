//! A road between two processes that can be cut, slowed or made to swallow everything: a TCP proxy on
//! a loopback port. What comes through is never looked at.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    time,
};

/// Bytes taken from one side before they go to the other.
const PIECE: usize = 16 * 1024;

/// How a road is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Road {
    Open,
    /// Connections are ended and new ones turned away.
    Cut,
    /// Every piece takes so long.
    Slow(Duration),
    /// Connections stay and nothing comes through, as behind a dead switch.
    Silent,
}

/// One road; gone when dropped.
pub struct Proxy {
    pub address: SocketAddr,
    road: watch::Sender<Road>,
}

impl Proxy {
    /// Opens a road to `target`.
    pub async fn to(target: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (road, state) = watch::channel(Road::Open);
        tokio::spawn(serve(listener, target, state));
        Ok(Self { address, road })
    }

    pub fn make(&self, road: Road) {
        self.road.send_replace(road);
    }
}

async fn serve(listener: TcpListener, target: SocketAddr, mut state: watch::Receiver<Road>) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            changed = state.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
        };
        let Ok((near, _)) = accepted else {
            continue;
        };
        if *state.borrow() == Road::Cut {
            continue;
        }
        tokio::spawn(carry(near, target, state.clone()));
    }
}

/// Carries one connection until a side ends it or the road is cut.
async fn carry(near: TcpStream, target: SocketAddr, mut state: watch::Receiver<Road>) {
    let Ok(far) = TcpStream::connect(target).await else {
        return;
    };
    // Small answers must not wait for further ones.
    if near.set_nodelay(true).and(far.set_nodelay(true)).is_err() {
        return;
    }
    let (near_in, near_out) = near.into_split();
    let (far_in, far_out) = far.into_split();
    let there = pass(near_in, far_out, state.clone());
    let back = pass(far_in, near_out, state.clone());
    tokio::select! {
        () = there => {}
        () = back => {}
        _ = state.wait_for(|road| *road == Road::Cut) => {}
    }
}

async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut state: watch::Receiver<Road>,
) {
    let mut piece = vec![0; PIECE];
    loop {
        let Ok(length) = from.read(&mut piece).await else {
            return;
        };
        let road = *state.borrow();
        if let Road::Slow(delay) = road {
            time::sleep(delay).await;
        }
        if state.wait_for(|road| *road != Road::Silent).await.is_err() {
            return;
        }
        let Some(bytes) = piece.get(..length).filter(|bytes| !bytes.is_empty()) else {
            return;
        };
        if to.write_all(bytes).await.is_err() {
            return;
        }
    }
}
