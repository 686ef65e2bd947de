//! The page's files as browsers get them: packed as they like, kept as long as they may, told of
//! again by their tags.

use std::io::Read;
use std::path::Path;

use hyper::body::Bytes;
use hyper::header::HeaderMap;
use hyper::{Request, Response, StatusCode};

use crate::support::TestServer;

async fn ask(
    server: &TestServer,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Response<Bytes> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in [&[("host", "x")], headers].concat() {
        request = request.header(name, value);
    }
    server
        .exchange(request.body(Default::default()).unwrap())
        .await
}

async fn get(server: &TestServer, path: &str, encodings: &str) -> Response<Bytes> {
    ask(server, "GET", path, &[("accept-encoding", encodings)]).await
}

fn said<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

/// What a browser makes of it.
fn unpacked(response: &Response<Bytes>) -> Vec<u8> {
    let body: &[u8] = response.body();
    let mut content = Vec::new();
    match said(response.headers(), "content-encoding") {
        "br" => brotli::Decompressor::new(body, 4096)
            .read_to_end(&mut content)
            .unwrap(),
        "gzip" => flate2::read::GzDecoder::new(body)
            .read_to_end(&mut content)
            .unwrap(),
        "" => return body.to_vec(),
        other => panic!("{other}"),
    };
    content
}

/// What the page's own addresses begin with: `v/VERSION/`.
async fn base(server: &TestServer) -> String {
    let page = server.send("GET", "/", None, "").await.body;
    let (before, _) = page.split_once("js/main.js").unwrap();
    let (_, base) = before.rsplit_once('"').unwrap();
    assert!(base.starts_with("v/") && base.ends_with('/'), "{base}");
    base.to_owned()
}

#[tokio::test]
async fn a_file_is_packed_as_its_reader_likes_and_is_the_same_file_each_time() {
    let server = TestServer::start().await;
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("static/js/main.js");
    let source = std::fs::read(source).unwrap();
    // A source is packed by gzip alone.
    let cases = [("gzip, deflate, br, zstd", "gzip"), ("br, gzip;q=0", "")];
    is_packed_as_its_reader_likes(&server, "/js/main.js", &source, &cases).await;
    // Below the version it is the joined file, which as it is goes to those who unpack nothing.
    let path = format!("/{}js/main.js", base(&server).await);
    let joined = get(&server, &path, "identity").await.into_body();
    assert!(joined.len() > source.len());
    let cases = [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip;q=1.0, br;q=0.5", "gzip"),
        ("br;q=0, gzip;q=0", ""),
    ];
    is_packed_as_its_reader_likes(&server, &path, &joined, &cases).await;
    server.stop().await;
}

async fn is_packed_as_its_reader_likes(
    server: &TestServer,
    path: &str,
    content: &[u8],
    cases: &[(&str, &str)],
) {
    let mut tags = Vec::new();
    for &(encodings, encoding) in cases {
        let response = get(server, path, encodings).await;
        let headers = response.headers();
        assert_eq!(said(headers, "content-encoding"), encoding, "{encodings}");
        assert_eq!(said(headers, "content-type"), "text/javascript");
        assert_eq!(said(headers, "vary"), "accept-encoding");
        assert_eq!(
            said(headers, "content-length"),
            response.body().len().to_string()
        );
        assert!(
            unpacked(&response) == content,
            "{encodings} is another file"
        );
        let tag = said(headers, "etag").to_owned();
        assert!(tag.starts_with('"'), "{tag} is weak");
        tags.push((encodings, tag));
    }
    for (encodings, tag) in &tags {
        assert_eq!(tags.iter().filter(|(_, other)| other == tag).count(), 1);
        for known in [tag.clone(), format!("\"x\", W/{tag}"), "*".to_owned()] {
            let headers = [
                ("accept-encoding", *encodings),
                ("if-none-match", known.as_str()),
            ];
            let response = ask(server, "GET", path, &headers).await;
            assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{known}");
            assert!(response.body().is_empty());
            assert_eq!(said(response.headers(), "etag"), tag);
            assert_eq!(said(response.headers(), "vary"), "accept-encoding");
        }
        // The tag of another encoding is that of other bytes.
        let other = tags.iter().find(|(_, other)| other != tag).unwrap();
        let headers = [
            ("accept-encoding", *encodings),
            ("if-none-match", other.1.as_str()),
        ];
        let response = ask(server, "GET", path, &headers).await;
        assert_eq!(response.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn files_are_kept_for_good_under_their_version_and_asked_for_again_under_any_other() {
    let server = TestServer::start().await;
    let base = base(&server).await;
    for (path, caching) in [
        ("/".to_owned(), "no-cache"),
        (
            format!("/{base}js/main.js"),
            "public, max-age=31536000, immutable",
        ),
        (
            format!("/{base}css/app.css"),
            "public, max-age=31536000, immutable",
        ),
        // A page that was open when the server was renewed still gets what it loads late.
        ("/v/0123456789abcdef/js/dialogs.js".to_owned(), "no-cache"),
        ("/js/net/socket.js".to_owned(), "no-cache"),
    ] {
        let response = get(&server, &path, "gzip, br").await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(said(response.headers(), "cache-control"), caching, "{path}");
        let best = if path.starts_with("/js/") {
            "gzip"
        } else {
            "br"
        };
        assert_eq!(said(response.headers(), "content-encoding"), best, "{path}");
    }
    // The page itself has one address, and below a version there is nothing that is not above it.
    for path in [
        "v/x/",
        "v/x/index.html",
        "v/x/nothing.js",
        "v/x",
        "v/",
        "v/x/../Cargo.toml",
    ] {
        let response = get(&server, &format!("/{path}"), "br").await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
    }
    let told = server.send("GET", "/api/server", None, "").await.json();
    let version = told["data"]["page"].as_str().unwrap();
    assert_eq!(base, format!("v/{version}/"));
    server.stop().await;
}

#[tokio::test]
async fn a_head_is_a_get_without_its_body() {
    let server = TestServer::start().await;
    for path in ["/", "/js/main.js"] {
        for encodings in ["br", "gzip", "identity"] {
            let accept = [("accept-encoding", encodings)];
            let got = ask(&server, "GET", path, &accept).await;
            let head = ask(&server, "HEAD", path, &accept).await;
            assert_eq!(head.status(), StatusCode::OK);
            assert!(head.body().is_empty());
            for name in [
                "content-length",
                "content-encoding",
                "content-type",
                "etag",
                "vary",
            ] {
                let (of_head, of_get) = (said(head.headers(), name), said(got.headers(), name));
                assert_eq!(of_head, of_get, "{path} {encodings} {name}");
            }
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn the_page_is_served_whole_once_and_by_its_tag_after_that() {
    let server = TestServer::start().await;
    let page = server.send("GET", "/", None, "").await;
    assert_eq!(page.headers["content-type"], "text/html");
    assert!(page.body.contains("<script type=\"module\""));
    let tag = page.headers["etag"].to_str().unwrap();
    let again = ask(&server, "GET", "/", &[("if-none-match", tag)]).await;
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert!(again.body().is_empty());
    server.stop().await;
}
