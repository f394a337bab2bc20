//! Metrics as a reader finds them: over HTTP, in the text that Prometheus reads.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::Context;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// A loopback address that nobody is on.
pub async fn free_address() -> anyhow::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    Ok(listener.local_addr()?.to_string())
}

/// What is shown at an address now.
pub async fn scrape(address: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, text) = answer
        .split_once("\r\n\r\n")
        .context("an answer has a head")?;
    anyhow::ensure!(head.starts_with("HTTP/1.1 200"), "{head}");
    anyhow::ensure!(text.ends_with("# EOF\n"), "the text is cut off");
    Ok(text.to_owned())
}

/// Waits until everything of `wanted` is shown; what is shown then, or at the end of all patience.
pub async fn scrape_until(address: &str, wanted: &BTreeSet<String>) -> anyhow::Result<String> {
    let mut text = scrape(address).await?;
    for _ in 0..120 {
        if wanted.is_subset(&names(&text)) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        text = scrape(address).await?;
    }
    Ok(text)
}

/// Each sample with its value.
pub fn samples(text: &str) -> BTreeMap<String, f64> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let (sample, value) = line.rsplit_once(' ')?;
            Some((sample.to_owned(), value.parse().ok()?))
        })
        .collect()
}

/// Names of the samples, without labels.
pub fn names(text: &str) -> BTreeSet<String> {
    let samples = samples(text);
    let names = samples.keys().filter_map(|sample| sample.split('{').next());
    names.map(str::to_owned).collect()
}

/// Names of this platform's metrics that an expression asks for.
pub fn asked_for(expression: &str) -> BTreeSet<String> {
    expression
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("sunbid_"))
        .map(str::to_owned)
        .collect()
}
