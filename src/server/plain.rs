//! Plain HTTP at the port of HTTPS: told in words, and led to the right address where the request
//! names the host.

use std::io;

use hyper::Uri;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::web::{Origin, Stream};

/// 8 KiB of a request are looked at: its first line, and the `Host` header.
const MAX_HEAD_BYTES: usize = 8 << 10;
/// 64 KiB more are thrown away, so that a client that is still sending reads the answer.
const MAX_REST_BYTES: u64 = 64 << 10;
const WORDS: &str =
    "A plain HTTP request was sent to the HTTPS port: begin the address with https://\n";

/// Returns whether a connection begins with a method instead of a record of TLS. Takes nothing from
/// it.
pub(super) async fn is_spoken(stream: &Stream) -> io::Result<bool> {
    let mut first = [0];
    Ok(stream.peek(&mut first).await? == 1 && first[0].is_ascii_alphabetic())
}

/// Answers the request, and ends the connection.
pub(super) async fn answer(mut stream: Stream) -> io::Result<()> {
    let mut head = Vec::new();
    while head.len() < MAX_HEAD_BYTES && !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            break;
        }
    }
    let head = String::from_utf8_lossy(&head);
    let status = match address(&head) {
        Some(address) => format!("308 Permanent Redirect\r\nlocation: {address}"),
        None => "400 Bad Request".to_owned(),
    };
    let length = WORDS.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{WORDS}"
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    let mut rest = stream.take(MAX_REST_BYTES);
    tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
    Ok(())
}

/// Returns where a request would have been answered. Only one that asks for a page is led there:
/// what another carries has been sent in clear already, and is better not sent so again.
fn address(head: &str) -> Option<String> {
    let mut lines = head.split("\r\n");
    let mut words = lines.next()?.split(' ');
    if !matches!(words.next()?, "GET" | "HEAD") {
        return None;
    }
    let target: Uri = words.next()?.parse().ok()?;
    if !words.next()?.starts_with("HTTP/") || !target.path().starts_with('/') {
        return None;
    }
    let fields = lines.take_while(|line| !line.is_empty());
    let mut fields = fields.filter_map(|line| line.split_once(':'));
    let (_, host) = fields.find(|(name, _)| name.eq_ignore_ascii_case("host"))?;
    let origin = Origin::at("https", host.trim())?;
    let path = target.path_and_query()?;
    Some(format!("{origin}{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_for_a_page_is_led_to_https_at_the_host_that_it_names() {
        for (head, to) in [
            (
                "GET / HTTP/1.1\r\nHost: chat.example.org:8443\r\n\r\n",
                Some("https://chat.example.org:8443/"),
            ),
            (
                "HEAD /?setup=x HTTP/1.1\r\naccept: */*\r\nhost:chat.example.org\r\n\r\n",
                Some("https://chat.example.org/?setup=x"),
            ),
            (
                "GET http://[::1]:81/a HTTP/1.1\r\nHost: [::1]:81\r\n\r\n",
                Some("https://[::1]:81/a"),
            ),
            ("POST / HTTP/1.1\r\nHost: chat.example.org\r\n\r\n", None),
            ("GET / HTTP/1.1\r\n\r\nHost: chat.example.org\r\n", None),
            ("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", None),
            ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", None),
            ("GET /\nlocation:x HTTP/1.1\r\nHost: a\r\n\r\n", None),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", None),
            ("GET /", None),
            ("GET", None),
            ("", None),
        ] {
            assert_eq!(address(head).as_deref(), to, "{head}");
        }
    }
}
