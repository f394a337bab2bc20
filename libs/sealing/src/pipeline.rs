//! Chunks through worker threads, in order and in bounded memory.
//! The calling thread reads and writes; the workers transform. A chunk goes to worker
//! `index mod workers` and is taken back in the same order, so nothing has to be sorted. Buffers
//! are reused and wiped when dropped. With one worker everything runs on the calling thread.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use zeroize::Zeroizing;

/// Buffers in flight per worker: one being worked on, one waiting.
const DEPTH: usize = 2;
/// Bytes read at a time.
const PIECE: usize = 64 * 1024;
/// Reading and writing stay on one thread, so more workers than this would wait for it.
const MOST_WORKERS: usize = 8;

/// How many threads transform chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workers(usize);

impl Workers {
    /// Everything on the calling thread.
    pub const ONE: Self = Self(1);

    /// As many as the machine has processors, at most 8.
    #[must_use]
    pub fn available() -> Self {
        Self::new(thread::available_parallelism().map_or(1, NonZeroUsize::get))
    }

    /// A given number, brought into 1..=8.
    #[must_use]
    pub fn new(count: usize) -> Self {
        Self(count.clamp(1, MOST_WORKERS))
    }

    /// The most chunk buffers that exist at once.
    #[must_use]
    pub const fn buffers(self) -> usize {
        if self.0 == 1 { 1 } else { self.0 * DEPTH }
    }
}

/// Fills a buffer from a reader. In pieces that stay in the nearest caches: one copy of a whole
/// chunk takes longer than its sixteen parts.
pub(crate) fn read_exact(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<()> {
    buffer
        .chunks_mut(PIECE)
        .try_for_each(|piece| reader.read_exact(piece))
}

/// Which chunk a buffer holds.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) index: u64,
    pub(crate) last: bool,
}

type Buffer = Zeroizing<Vec<u8>>;

/// Runs `count` chunks through `fill` (calling thread), `work` (workers), `drain` (calling thread,
/// in order).
pub(crate) fn run<T, E>(
    workers: Workers,
    count: u64,
    mut fill: impl FnMut(Place, &mut Vec<u8>) -> Result<(), E>,
    work: impl Fn(Place, &mut Vec<u8>) -> T + Sync,
    mut drain: impl FnMut(Place, &[u8], T) -> Result<(), E>,
) -> Result<(), E>
where
    T: Send,
    E: From<io::Error>,
{
    let places = (0..count).map(|index| Place {
        index,
        last: index + 1 == count,
    });
    let threads = workers.0.min(usize::try_from(count).unwrap_or(usize::MAX));
    if threads <= 1 {
        let mut buffer = Buffer::default();
        for place in places {
            fill(place, &mut buffer)?;
            let outcome = work(place, &mut buffer);
            drain(place, &buffer, outcome)?;
        }
        return Ok(());
    }
    thread::scope(|scope| {
        let work = &work;
        let mut lanes = VecDeque::with_capacity(threads);
        for _ in 0..threads {
            let (to_worker, jobs) = sync_channel::<(Place, Buffer)>(DEPTH);
            let (done, from_worker) = sync_channel::<(Place, Buffer, T)>(DEPTH);
            thread::Builder::new()
                .name("chunks".into())
                .spawn_scoped(scope, move || serve(&jobs, &done, work))?;
            lanes.push_back((to_worker, from_worker));
        }
        let mut in_flight = 0;
        // The lane at the front is both the next to be given a chunk and, once all buffers are
        // out, the one whose chunk is the oldest.
        let mut oldest = 0_usize;
        let mut next = 0_usize;
        for place in places {
            let mut buffer = if in_flight == threads * DEPTH {
                let lane = lanes.get(oldest % threads);
                let (done, buffer, outcome) = receive(lane)?;
                drain(done, &buffer, outcome)?;
                oldest += 1;
                buffer
            } else {
                in_flight += 1;
                Buffer::default()
            };
            fill(place, &mut buffer)?;
            lanes
                .get(next % threads)
                .and_then(|(to_worker, _)| to_worker.send((place, buffer)).ok())
                .ok_or_else(stopped)?;
            next += 1;
        }
        while oldest < next {
            let (done, buffer, outcome) = receive(lanes.get(oldest % threads))?;
            drain(done, &buffer, outcome)?;
            oldest += 1;
        }
        Ok(())
    })
}

type Lane<T> = (SyncSender<(Place, Buffer)>, Receiver<(Place, Buffer, T)>);

fn receive<T>(lane: Option<&Lane<T>>) -> io::Result<(Place, Buffer, T)> {
    lane.and_then(|(_, from_worker)| from_worker.recv().ok())
        .ok_or_else(stopped)
}

fn serve<T>(
    jobs: &Receiver<(Place, Buffer)>,
    done: &SyncSender<(Place, Buffer, T)>,
    work: &(impl Fn(Place, &mut Vec<u8>) -> T + Sync),
) {
    for (place, mut buffer) in jobs {
        let outcome = work(place, &mut buffer);
        if done.send((place, buffer, outcome)).is_err() {
            return;
        }
    }
}

fn stopped() -> io::Error {
    io::Error::other("A chunk worker stopped before its chunks were done.")
}
