//! How much one caller may take of what all share, as an installation sets it: connections, streams,
//! calls at a time, time. Kept to by [`crate::connections`] and [`crate::calls`].

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tonic::transport::{Endpoint, Server};

use crate::connections::Room;

/// Streams over one connection between processes of the platform.
const INNER_STREAMS: u32 = 65_536;
/// What may be on the way unread in one such stream, bytes.
const INNER_STREAM_WINDOW: u32 = 1024 * 1024;
/// The same in all of a connection: so much that streams nobody reads never keep the others waiting.
const INNER_CONNECTION_WINDOW: u32 = 1024 * 1024 * 1024;

/// The windows of a connection between processes of the platform, which carries everybody's calls.
pub fn inner_windows(endpoint: Endpoint) -> Endpoint {
    endpoint
        .initial_stream_window_size(INNER_STREAM_WINDOW)
        .initial_connection_window_size(INNER_CONNECTION_WINDOW)
}

/// Bounds on what callers take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Open connections. Each takes an open file: the process's own limit must be higher.
    pub connections: u32,
    /// The same of one address (of IPv6, of one /64), where callers come without a proxy.
    pub connections_per_address: u32,
    /// Streams that a connection may have open at a time; more wait at the caller.
    pub streams_per_connection: u32,
    /// Calls of a connection that are worked on at a time; more wait.
    pub calls_per_connection: u32,
    /// Calls of an organisation that are open at a time, over all its connections; more are refused.
    /// A stream counts until it ends.
    pub calls_per_organization: u32,
    /// The same of one person or machine.
    pub calls_per_subject: u32,
    /// Calls a second, on the average, of one person or machine, and of one address for those who have
    /// not signed in; ten seconds' worth may come at once. More are refused.
    pub calls_per_second: u32,
    /// Calls that a process works on at a time. Reading is refused first, from a sixty-fourth of them on;
    /// what counts at a deadline last.
    pub calls_in_work: u32,
    /// The same for everybody together who has not signed in, for calls with one answer; one address
    /// may take a quarter of these and of the next two.
    pub calls_of_public: u32,
    /// The same for streams of answers, none of which lasts longer than `transfer_seconds`.
    pub streams_of_public: u32,
    /// The same for signing in and what comes before it, so that nothing else keeps anyone out.
    pub sign_ins: u32,
    /// Seconds after which a call without an answer ends.
    pub call_seconds: u32,
    /// The same for calls that send a file.
    pub transfer_seconds: u32,
    /// Seconds between two looks whether the other end of a connection is there; one that does not
    /// answer for as long is dropped, with all its streams.
    pub keepalive_seconds: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // Below the 1,024 open files that a shell gives a process.
            connections: 800,
            connections_per_address: 256,
            streams_per_connection: 256,
            calls_per_connection: 128,
            calls_per_organization: 64,
            calls_per_subject: 48,
            calls_per_second: 200,
            // So many that twenty thousand bids in the last two seconds all wait their turn.
            calls_in_work: 65_536,
            calls_of_public: 1024,
            streams_of_public: 512,
            sign_ins: 1024,
            // The longest answers are those to a holder's shares for thousands of bids.
            call_seconds: 300,
            transfer_seconds: 6 * 3600,
            keepalive_seconds: 20,
        }
    }
}

impl Limits {
    /// Names the first limit that cannot be meant.
    pub fn check(&self) -> Result<(), String> {
        let all = [
            ("connections", self.connections, 1, 1_000_000),
            (
                "connections_per_address",
                self.connections_per_address,
                1,
                1_000_000,
            ),
            (
                "streams_per_connection",
                self.streams_per_connection,
                16,
                65_536,
            ),
            (
                "calls_per_connection",
                self.calls_per_connection,
                16,
                65_536,
            ),
            (
                "calls_per_organization",
                self.calls_per_organization,
                4,
                65_536,
            ),
            ("calls_per_subject", self.calls_per_subject, 4, 65_536),
            ("calls_per_second", self.calls_per_second, 1, 1_000_000),
            ("calls_in_work", self.calls_in_work, 64, 1_000_000),
            ("calls_of_public", self.calls_of_public, 4, 1_000_000),
            ("streams_of_public", self.streams_of_public, 4, 1_000_000),
            ("sign_ins", self.sign_ins, 4, 1_000_000),
            ("call_seconds", self.call_seconds, 5, 86_400),
            ("transfer_seconds", self.transfer_seconds, 60, 7 * 86_400),
            ("keepalive_seconds", self.keepalive_seconds, 1, 3600),
        ];
        for (name, value, least, most) in all {
            if !(least..=most).contains(&value) {
                return Err(format!(
                    "limits.{name} must be from {least} to {most}, not {value}"
                ));
            }
        }
        Ok(())
    }

    /// A server that keeps to them as far as connections go.
    pub fn server(&self) -> Server {
        let keepalive = Duration::from_secs(self.keepalive_seconds.into());
        Server::builder()
            .max_concurrent_streams(self.streams_per_connection)
            .concurrency_limit_per_connection(usize_of(self.calls_per_connection))
            .http2_keepalive_interval(Some(keepalive))
            .http2_keepalive_timeout(Some(keepalive))
    }

    /// A server for the platform's own processes, each of which sends everybody's calls over one
    /// connection: what one connection may take bounds nobody there.
    pub fn inner_server(&self) -> Server {
        Self {
            streams_per_connection: INNER_STREAMS,
            calls_per_connection: INNER_STREAMS,
            ..*self
        }
        .server()
        .initial_stream_window_size(INNER_STREAM_WINDOW)
        .initial_connection_window_size(INNER_CONNECTION_WINDOW)
    }

    /// How many connections are served; of one address, where callers have addresses of their own.
    pub fn room(&self, told_apart: bool) -> Room {
        let of_one = told_apart.then(|| usize_of(self.connections_per_address));
        Room {
            most: usize_of(self.connections),
            of_one,
        }
    }
}

fn usize_of(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_cannot_be_meant_is_named() {
        assert_eq!(Limits::default().check(), Ok(()));
        let none = Limits {
            calls_per_organization: 0,
            ..Limits::default()
        };
        let fault = none.check().unwrap_err();
        assert!(fault.contains("limits.calls_per_organization"), "{fault}");
    }
}
