//! A large part is sealed and opened in memory that does not grow with it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops where it fails"
)]

mod support;

use std::cell::Cell;
use std::io::{self, Read, Seek, SeekFrom, Write};

use sunbid_sealing::{CHUNK, Class, TAG, Workers, check_payload, open, seal};
use support::{FixedStream, standing_committee, subject};

const LENGTH: u64 = 64 << 20;

/// What was read and not yet written again is what must be held in buffers.
#[derive(Default)]
struct Held {
    read: Cell<u64>,
    written: Cell<u64>,
    most: Cell<u64>,
}

struct Source<'a, R>(R, &'a Held);

impl<R: Read> Read for Source<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read(out)?;
        let held = self.1;
        held.read.set(held.read.get() + count as u64);
        held.most.set(
            held.most
                .get()
                .max(held.read.get().saturating_sub(held.written.get())),
        );
        Ok(count)
    }
}

struct Sink<'a, W>(W, &'a Held);

impl<W: Write> Write for Sink<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.0.write(bytes)?;
        self.1.written.set(self.1.written.get() + count as u64);
        Ok(count)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[test]
fn what_is_held_is_bounded_by_the_buffers() {
    for workers in [Workers::ONE, Workers::new(2)] {
        // One buffer of chunks each, and the padding that is read or written in one piece.
        let bound = (workers.buffers() * (CHUNK + TAG)) as u64;
        let mut file = tempfile::tempfile().unwrap();
        let held = Held::default();
        let sealed = seal(
            standing_committee().key.sealing(),
            &subject(Class::Public, 0),
            LENGTH,
            Source(io::repeat(7).take(LENGTH), &held),
            Sink(&file, &held),
            workers,
            &mut FixedStream::new("memory"),
        )
        .unwrap();
        assert_eq!(held.read.get(), LENGTH);
        assert!(held.most.get() <= bound, "{} bytes held", held.most.get());

        let header = sealed.header.check().unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        check_payload(&header, &file, workers).unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        let secret = sealed
            .rescue
            .shared_secret(standing_committee().key.sealing(), &header)
            .unwrap();
        let held = Held::default();
        let sink = Sink(io::sink(), &held);
        let opened = open(&header, &secret, Source(&file, &held), sink, workers).unwrap();
        assert_eq!((opened, held.written.get()), (LENGTH, LENGTH));
        // Padding is read and not written; tags likewise.
        let unwritten = header.payload_length() - LENGTH;
        assert!(
            held.most.get() <= bound + unwritten,
            "{} bytes held",
            held.most.get()
        );
    }
}
