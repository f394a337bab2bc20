//! Signing in without a certificate: through the platform's OpenID Connect provider, with the browser of
//! this machine. The provider sends the browser back to a port that is open for this one answer.

use anyhow::{Context as _, bail};
use clap::Args;
use sunbid_contracts::registry::v1::{BeginProviderSignInRequest, FinishProviderSignInRequest};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
};

use crate::{
    connection::Connection,
    context::{Context, DEFAULT_ENDPOINT},
    output, profile,
    session::Session,
};

/// Longest line of a browser that is read, bytes.
const LONGEST_LINE: u64 = 16 * 1024;

/// How long a browser has to say what it wants.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

#[derive(Debug, Args)]
pub struct SignInArguments {
    /// Profile that keeps the session: a name, or a folder.
    name: String,
    /// Through the OpenID Connect provider, the one way from the command line; a password and a passkey
    /// need the portal.
    #[arg(long, required = true)]
    provider: bool,
    /// First time: your account, CREDIT_CODE/LOGIN, to link your identity to.
    #[arg(long, requires = "code")]
    account: Option<String>,
    /// First time: the code that your organisation handed out.
    #[arg(
        long,
        requires = "account",
        env = "SUNBID_CODE",
        hide_env_values = true
    )]
    code: Option<String>,
}

pub async fn run(context: &Context, arguments: SignInArguments) -> anyhow::Result<()> {
    let folder = profile::folder(&arguments.name)?;
    if folder.join("profile.toml").exists() {
        bail!("{} holds a profile with a certificate", folder.display());
    }
    let endpoint = context.endpoint.as_deref().unwrap_or(DEFAULT_ENDPOINT);
    let authority = context.authority()?;
    let english = context.output.english;
    let anyone = Connection::trusting(endpoint, authority.as_deref(), english).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let mut account = anyone.account();
    let begun = account
        .begin_provider_sign_in(BeginProviderSignInRequest {
            redirect_uri: format!("http://127.0.0.1:{port}/back"),
            account: arguments.account.unwrap_or_default(),
            code: arguments.code.unwrap_or_default(),
        })
        .await?
        .into_inner();
    // Beside the answer, which scripts read.
    eprintln!(
        "{}\n{}",
        context
            .output
            .say("请在浏览器中打开：", "Open in your browser:"),
        begun.url
    );
    let (state, authorization_code) = come_back(&listener).await?;
    let answer = account
        .finish_provider_sign_in(FinishProviderSignInRequest {
            ticket: begun.ticket,
            state,
            authorization_code,
        })
        .await?
        .into_inner();
    let tokens = answer.session.context("no session came back")?;
    let now_us = anyone.platform().await?.now_us;
    Session::new(endpoint, authority, &tokens, now_us).write(&folder)?;
    let subject = tokens.subject.unwrap_or_default();
    println!(
        "{}",
        output::fields(&[
            ("profile", folder.display().to_string()),
            ("subject", subject.name),
            ("name", subject.display_name),
        ])
    );
    Ok(())
}

/// State and code that the provider sends back with the browser; whatever else comes is turned away.
async fn come_back(listener: &TcpListener) -> anyhow::Result<(String, String)> {
    loop {
        let (mut stream, _) = listener.accept().await?;
        let mut line = String::new();
        let mut reader = BufReader::new(tokio::io::AsyncReadExt::take(&mut stream, LONGEST_LINE));
        // Nobody keeps the browser out by connecting and saying nothing.
        let read = tokio::time::timeout(PATIENCE, reader.read_line(&mut line)).await;
        if !matches!(read, Ok(Ok(_))) {
            continue;
        }
        let answer = read_request(&line);
        let (status, text) = match &answer {
            Some(Ok(_)) => (
                "200 OK",
                "完成，请回到命令行。Done: go back to the command line.",
            ),
            Some(Err(_)) => ("200 OK", "登录未成功。Signing in failed."),
            None => ("404 Not Found", ""),
        };
        let page = format!(
            "HTTP/1.1 {status}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\n\
             connection: close\r\nreferrer-policy: no-referrer\r\ncache-control: no-store\r\n\r\n{text}",
            text.len()
        );
        let _ = stream.write_all(page.as_bytes()).await;
        let _ = stream.shutdown().await;
        match answer {
            Some(Ok(pair)) => return Ok(pair),
            Some(Err(error)) => bail!("the provider says: {error}"),
            None => {}
        }
    }
}

/// What stands in the first line of a request to /back; nothing for other requests.
fn read_request(line: &str) -> Option<Result<(String, String), String>> {
    let path = line.strip_prefix("GET /back?")?.split(' ').next()?;
    let of = |name: &str| {
        let mut pairs = path.split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .find(|(known, _)| *known == name)
            .map(|(_, value)| decode(value))
    };
    if let Some(error) = of("error") {
        let described = of("error_description").unwrap_or_default();
        return Some(Err(format!("{error} {described}").trim().to_owned()));
    }
    Some(Ok((of("state")?, of("code")?)))
}

/// Undoes the escapes of a query; what is none stays as it is.
fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        let escaped = match (first, after) {
            (b'%', [high, low, ..]) => std::str::from_utf8(&[*high, *low])
                .ok()
                .and_then(|pair| u8::from_str_radix(pair, 16).ok()),
            _ => None,
        };
        match escaped {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None if *first == b'+' => bytes.push(b' '),
            None => bytes.push(*first),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_browser_brings_back_is_read() {
        let read = |line: &str| read_request(line);
        let good = read("GET /back?code=a%2Fb&state=c+d HTTP/1.1\r\n");
        assert_eq!(good, Some(Ok(("c d".into(), "a/b".into()))));
        let error = read("GET /back?error=access_denied&state=x HTTP/1.1");
        assert_eq!(error, Some(Err("access_denied".into())));
        for other in [
            "GET /favicon.ico HTTP/1.1",
            "GET /back?code=x HTTP/1.1",
            "",
            "POST /back?code=x&state=y",
        ] {
            assert_eq!(read(other), None, "{other}");
        }
        assert_eq!(decode("%e4%b8%ad%zz%"), "中%zz%");
    }
}
