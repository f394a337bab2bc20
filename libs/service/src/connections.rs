//! Connections as they come in: counted for all together and for each address, and never more than there
//! is room for. One too many is told so in gRPC's own words and closed; where even that would be too
//! much, it is dropped at once.

use std::{
    collections::HashMap,
    io,
    net::IpAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_util::{Stream, stream};
use sunbid_telemetry::{metrics, strain::Step};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    time::{Sleep, sleep},
};
use tonic::transport::server::Connected;

use crate::{address::household, observing::EDGE};

/// Connections beyond the most that are told so instead of being dropped.
const TOLD: usize = 64;
/// How long they may stay to hear it.
const TELLING: Duration = Duration::from_secs(2);
/// How long a connection may take for its first bytes.
const GREETING: Duration = Duration::from_secs(10);
/// Length of HTTP/2's greeting, and less than any of TLS.
const GREETING_BYTES: usize = 24;
/// Pause after the system gave no connection, such as for want of open files.
const PAUSE: Duration = Duration::from_millis(100);

/// Connections of one address that are told so, of those.
const TOLD_OF_ONE: usize = 8;

/// Whether a request came over a connection that there was room for, and from where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    pub admitted: bool,
    /// Nothing where every caller has the same address, such as a proxy's.
    pub address: Option<IpAddr>,
}

/// How many connections there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    pub most: usize,
    /// Of one address; nothing where callers cannot be told apart by it.
    pub of_one: Option<usize>,
}

/// A connection that is counted as long as it is open.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    peer: IpAddr,
    /// Whether the address says anything of the caller.
    told_apart: bool,
    slot: Slot,
    greeted: usize,
    /// When it is read no further: soon where it is only told that there is no room.
    ends: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug)]
struct Slot {
    open: Arc<Mutex<Open>>,
    of: IpAddr,
    admitted: bool,
}

/// Open connections: all, and those of each address.
#[derive(Debug, Default)]
struct Open {
    all: usize,
    of_one: HashMap<IpAddr, usize>,
}

impl Slot {
    fn take(open: &Arc<Mutex<Open>>, room: Room, peer: IpAddr) -> Option<Self> {
        let of = household(peer);
        let mut now = open.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, own) = (now.all, now.of_one.get(&of).copied().unwrap_or(0));
        let most_own = room.of_one.unwrap_or(usize::MAX);
        let admitted = all < room.most && own < most_own;
        let told =
            all < room.most.saturating_add(TOLD) && own < most_own.saturating_add(TOLD_OF_ONE);
        if !told {
            return None;
        }
        metrics()
            .strains()
            .note(EDGE, "connections", Step::of(all, room.most));
        now.all += 1;
        *now.of_one.entry(of).or_default() += 1;
        drop(now);
        Some(Self {
            open: open.clone(),
            of,
            admitted,
        })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.all = open.all.saturating_sub(1);
        if let Some(own) = open.of_one.get_mut(&self.of) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                open.of_one.remove(&self.of);
            }
        }
    }
}

/// Connections that come in on `listener`; as many as there is `room` for are served.
pub fn incoming(listener: TcpListener, room: Room) -> impl Stream<Item = io::Result<Connection>> {
    let open = Arc::<Mutex<Open>>::default();
    stream::unfold((listener, open), move |(listener, open)| async move {
        loop {
            let (stream, peer) = match listener.accept().await {
                Ok((stream, peer)) => (stream, peer.ip()),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be taken");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let Some(slot) = Slot::take(&open, room, peer) else {
                continue;
            };
            // Answers are many small frames; without this each waits for the caller's delayed
            // acknowledgement of the one before, some 40 ms.
            if stream.set_nodelay(true).is_err() {
                continue;
            }
            let allowed = if slot.admitted { GREETING } else { TELLING };
            let connection = Connection {
                stream,
                peer,
                told_apart: room.of_one.is_some(),
                slot,
                greeted: 0,
                ends: Some(Box::pin(sleep(allowed))),
            };
            return Some((Ok(connection), (listener, open)));
        }
    })
}

impl Connection {
    /// The address of the other side.
    pub const fn peer(&self) -> IpAddr {
        self.peer
    }
}

impl Connected for Connection {
    type ConnectInfo = Admission;

    fn connect_info(&self) -> Admission {
        Admission {
            admitted: self.slot.admitted,
            address: self.told_apart.then_some(self.peer),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let Some(ends) = &mut this.ends
            && ends.as_mut().poll(context).is_ready()
        {
            // As if the other side had nothing more to say: what is under way is answered.
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
        if this.ends.is_some() && this.slot.admitted {
            this.greeted += buffer.filled().len() - before;
            if this.greeted >= GREETING_BYTES {
                this.ends = None;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;
    use tokio::io::AsyncReadExt;

    use super::*;

    const ROOM: Room = Room {
        most: 1,
        of_one: None,
    };

    #[tokio::test]
    async fn one_address_leaves_room_for_others() {
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let room = Room {
            most: 100,
            of_one: Some(2),
        };
        let mut incoming = Box::pin(incoming(listener, room));
        let mut held = Vec::new();
        for (of, admitted) in [(1, true), (1, true), (1, false), (2, true)] {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.bind(([127, 0, 0, of], 0).into()).unwrap();
            let client = socket.connect(([127, 0, 0, 1], port).into()).await.unwrap();
            let served = incoming.next().await.unwrap().unwrap();
            assert_eq!(served.connect_info().admitted, admitted, "of 127.0.0.{of}");
            held.push((client, served));
        }
        // Beyond those that are told, it is dropped: whoever comes next is another.
        let open = held[0].1.slot.open.clone();
        let crowd: IpAddr = [127, 0, 0, 1].into();
        let told: Vec<_> = (0..100)
            .map_while(|_| Slot::take(&open, room, crowd))
            .collect();
        assert_eq!(told.len(), TOLD_OF_ONE - 1);
        assert!(Slot::take(&open, room, [127, 0, 0, 3].into()).is_some());
        drop((held, told));
        assert!(open.lock().unwrap().of_one.is_empty());
    }

    #[tokio::test]
    async fn one_too_many_is_told_and_a_crowd_is_dropped() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut incoming = Box::pin(incoming(listener, ROOM));
        let connect = || TcpStream::connect(address);
        let _first = connect().await.unwrap();
        let served = incoming.next().await.unwrap().unwrap();
        assert!(served.connect_info().admitted);
        let mut told = Vec::new();
        for _ in 0..TOLD {
            let _client = connect().await.unwrap();
            let one = incoming.next().await.unwrap().unwrap();
            assert!(!one.connect_info().admitted);
            told.push(one);
        }
        let mut dropped = connect().await.unwrap();
        tokio::select! {
            _ = incoming.next() => panic!("there was no room"),
            read = dropped.read_u8() => assert!(read.is_err()),
        }
        drop((served, told));
        let _next = connect().await.unwrap();
        let next = incoming.next().await.unwrap().unwrap();
        assert!(next.connect_info().admitted);
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_is_not_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut incoming = Box::pin(incoming(listener, ROOM));
        let _silent = TcpStream::connect(address).await.unwrap();
        let mut served = incoming.next().await.unwrap().unwrap();
        let mut buffer = [0; 8];
        assert_eq!(served.read(&mut buffer).await.unwrap(), 0);
    }
}
