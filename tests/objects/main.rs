//! A store that speaks S3 as a process of its own, for drills: `object-server FOLDER [ADDRESS]` serves
//! the buckets in the folder, says where, and ends when it is killed.

use std::path::PathBuf;

use anyhow::Context as _;
use sunbid_objects::trial::Server;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let folder = PathBuf::from(arguments.next().context("say which folder to serve")?);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:0".into());
    let address = address.to_str().context("an address is text")?.parse()?;
    let server = Server::start(&folder, address, None).await?;
    println!("serving on {}", server.address());
    std::future::pending().await
}
