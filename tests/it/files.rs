//! Files: uploaded by tus or at once, sent, served by their URLs, and gone with their messages.

use std::path::{Path, PathBuf};

use chatd::config::Config;
use chatd::files::FilesConfig;
use chatd::store::Location;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Request, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::program::{Running, command};
use crate::support::{Person, Remote, TestServer, config, soon};

/// Sends a request with these headers; the answer may be no text.
async fn ask(
    server: &Remote,
    (method, path): (&str, &str),
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Response<Bytes> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", server.address.to_string());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::from(body.into())).unwrap();
    server.exchange(request).await
}

/// The same by a person, in the words of tus.
pub(crate) async fn tus(
    server: &Remote,
    person: &Person,
    (method, path): (&str, &str),
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Response<Bytes> {
    let bearer = format!("Bearer {}", person.token);
    let mut all = vec![
        ("authorization", bearer.as_str()),
        ("tus-resumable", "1.0.0"),
    ];
    all.extend_from_slice(headers);
    ask(server, (method, path), &all, body).await
}

pub(crate) fn said<'a>(response: &'a Response<Bytes>, name: &str) -> &'a str {
    let value = response.headers().get(name);
    let value = value.unwrap_or_else(|| panic!("no {name} in {response:?}"));
    value.to_str().unwrap()
}

/// Uploads a file in one request; gives what the server says of it.
pub(crate) async fn upload(
    server: &Remote,
    person: &Person,
    name: &str,
    bytes: impl Into<Bytes>,
) -> Value {
    let path = format!("/api/uploads?name={name}");
    let answer = tus(server, person, ("POST", &path), &[], bytes).await;
    assert_eq!(answer.status(), 201, "{answer:?}");
    let file: Value = serde_json::from_slice(answer.body()).unwrap();
    assert_eq!(said(&answer, "upload-file"), file["data"]["id"]);
    file["data"].clone()
}

/// Sends files to a person; gives the ack.
async fn send(server: &TestServer, from: &Person, to: &Person, message: Value) -> Value {
    let mut socket = server.connect_second(from).await;
    let mut message = message;
    message["receiver_id"] = to.id.into();
    socket.call(1, "send_message", message).await.0
}

pub(crate) async fn open(server: &Remote, url: &str) -> Response<Bytes> {
    ask(server, ("GET", &format!("/{url}")), &[], "").await
}

pub(crate) fn code(answer: &Response<Bytes>) -> String {
    let json: Value = serde_json::from_slice(answer.body()).unwrap();
    json["error"]["code"].as_str().unwrap().to_owned()
}

/// Where the bytes of a file lie.
pub(crate) fn place(folder: &Path, id: &Value) -> PathBuf {
    let id = id.as_str().unwrap();
    folder.join(&id[1..3]).join(id)
}

/// Waits until a file is not there any more: nothing tells when it is unlinked.
pub(crate) async fn is_gone(path: &Path) {
    let gone = async {
        while path.exists() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    soon(gone).await;
}

/// A server whose files lie in this folder.
pub(crate) fn in_folder(folder: &Path) -> Config {
    Config {
        data: Location::File(folder.join("chatd.redb")),
        files: FilesConfig {
            folder: Some(folder.join("files")),
            ..FilesConfig::default()
        },
        ..config()
    }
}

#[tokio::test]
async fn a_file_is_sent_shown_by_its_url_and_gone_with_its_message() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::with(in_folder(folder.path())).await;
    let (ada, bob) = server.two_people().await;
    let file = upload(&server, &ada, "notes%20%C3%BC.pdf", "%PDF-1.7 hello").await;
    assert_eq!(file["name"], "notes ü.pdf");
    assert_eq!(
        (&file["type"], &file["size"]),
        (&json!("application/pdf"), &json!(14))
    );
    let mut first = server.connect(&bob).await;
    let mut second = server.connect_second(&bob).await;
    let sent = send(&server, &ada, &bob, json!({"attachments": [file["id"]]})).await;
    assert_eq!(sent["success"], true, "{sent}");
    let told = second.expect("receive_message").await;
    assert_eq!(
        (&told["content"], &told["auto_content"]),
        (&json!("notes ü.pdf"), &json!(true))
    );
    assert_eq!(told["attachments"], json!([file]));
    assert_eq!(sent["data"]["attachments"], told["attachments"]);
    let told = first.expect("receive_message").await;
    let keys: Vec<_> = told.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        ["content", "created_at", "id", "receiver_id", "sender_id"]
    );
    assert_eq!(told["content"], "notes ü.pdf");

    let id = &told["id"];
    for (path, person) in [
        (format!("/api/chats/history/{}", ada.id), &bob),
        (format!("/api/chats/history/{}", bob.id), &ada),
        ("/api/chats/unread".to_owned(), &bob),
        ("/api/inbox".to_owned(), &bob),
        (format!("/api/messages/{id}"), &ada),
    ] {
        let answer = server.get(&path, &person.token).await["data"].take();
        let row = if answer.is_array() {
            answer[0].clone()
        } else {
            answer
        };
        let row = if row["last_message"].is_object() {
            row["last_message"].clone()
        } else {
            row
        };
        assert_eq!(row["attachments"], json!([file]), "{path}");
        assert_eq!(row["auto_content"], true, "{path}");
    }
    let recents = server.get("/api/chats", &bob.token).await;
    assert_eq!(recents["data"][0]["last_message"], "notes ü.pdf");

    let url = file["url"].as_str().unwrap();
    let answer = open(&server, url).await;
    assert_eq!(
        (answer.status().as_u16(), &answer.body()[..]),
        (200, &b"%PDF-1.7 hello"[..])
    );
    assert_eq!(said(&answer, "content-type"), "application/pdf");
    assert_eq!(
        said(&answer, "content-disposition"),
        "attachment; filename=\"notes _.pdf\"; filename*=UTF-8''notes%20%C3%BC.pdf"
    );
    let deleted = format!("/api/messages/{id}");
    let bytes = place(&folder.path().join("files"), &file["id"]);
    assert!(bytes.exists());
    let reply = server.send("DELETE", &deleted, Some(&ada.token), "").await;
    assert_eq!(reply.status, 200);
    let gone = open(&server, url).await;
    assert_eq!(
        (gone.status().as_u16(), code(&gone)),
        (403, "url_expired".to_owned())
    );
    is_gone(&bytes).await;
    let never = url.replace("notes", "other");
    let never = open(&server, &never).await;
    assert_eq!(never.body(), gone.body(), "what never was is refused alike");
    server.stop().await;
}

#[tokio::test]
async fn a_part_of_a_file_is_served_and_what_the_client_has_is_not_sent_again() {
    let server = TestServer::start().await;
    let ada = server.register("ada").await;
    let file = upload(&server, &ada, "x.bin", "0123456789").await;
    let path = format!("/{}", file["url"].as_str().unwrap());
    let get = ("GET", path.as_str());
    let whole = ask(&server, get, &[], "").await;
    let tag = said(&whole, "etag").to_owned();
    assert!(said(&whole, "cache-control").starts_with("private, max-age="));
    assert_eq!(said(&whole, "accept-ranges"), "bytes");
    let part = ask(&server, get, &[("range", "bytes=3-5")], "").await;
    assert_eq!(
        (part.status().as_u16(), &part.body()[..]),
        (206, &b"345"[..])
    );
    assert_eq!(said(&part, "content-range"), "bytes 3-5/10");
    let headers = [("range", "bytes=-2"), ("if-range", tag.as_str())];
    let part = ask(&server, get, &headers, "").await;
    assert_eq!(
        (part.status().as_u16(), &part.body()[..]),
        (206, &b"89"[..])
    );
    let headers = [("range", "bytes=-2"), ("if-range", "\"other\"")];
    assert_eq!(ask(&server, get, &headers, "").await.status(), 200);
    let beyond = ask(&server, get, &[("range", "bytes=10-")], "").await;
    assert_eq!(beyond.status(), 416);
    assert_eq!(said(&beyond, "content-range"), "bytes */10");
    let known = ask(&server, get, &[("if-none-match", tag.as_str())], "").await;
    assert_eq!((known.status().as_u16(), known.body().len()), (304, 0));
    let head = ask(&server, ("HEAD", &path), &[], "").await;
    assert_eq!(
        (head.status().as_u16(), said(&head, "content-length")),
        (200, "10")
    );
    // HEAD has no ranges, by RFC 9110.
    let head = ask(&server, ("HEAD", &path), &[("range", "bytes=3-5")], "").await;
    assert_eq!(
        (head.status().as_u16(), said(&head, "content-length")),
        (200, "10")
    );
    let weak = format!("W/{tag}");
    let listed = format!("\"other\", {tag}");
    for (wanted, status) in [
        (tag.as_str(), 200),
        ("*", 200),
        (listed.as_str(), 200),
        ("\"other\"", 412),
        (weak.as_str(), 412),
    ] {
        let answer = ask(&server, get, &[("if-match", wanted)], "").await;
        assert_eq!(answer.status(), status, "{wanted}");
    }
    // By the same URL the next one asks for all of it.
    for asked in [("range", "bytes=10-"), ("if-match", "\"other\"")] {
        let refused = ask(&server, get, &[asked], "").await;
        assert_eq!(said(&refused, "cache-control"), "no-store", "{asked:?}");
    }
    for wrong in [
        path.replace("k=", "k=1"),
        path.split('?').next().unwrap().to_owned(),
    ] {
        let refused = ask(&server, ("GET", &wrong), &[], "").await;
        assert_eq!(
            (refused.status().as_u16(), code(&refused)),
            (403, "url_expired".into())
        );
    }
    server.stop().await;
}

/// A page, a picture with scripts, and what else a browser might run, by whatever name.
#[tokio::test]
async fn nothing_that_people_send_is_run_as_a_page_of_this_server() {
    let server = TestServer::start().await;
    let ada = server.register("ada").await;
    let cases: [(&str, &'static [u8], &str, &str); 6] = [
        (
            "a.png",
            b"<!doctype html><script>alert(1)</script>",
            "application/octet-stream",
            "attachment",
        ),
        (
            "a.svg",
            b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
            "application/octet-stream",
            "attachment",
        ),
        (
            "a.jpg",
            b"<?xml version='1.0'?><html xmlns='x'/>",
            "application/octet-stream",
            "attachment",
        ),
        (
            "a.html",
            b"GIF89a/*\0\0\0\0\0*/=1;alert(1)",
            "application/octet-stream",
            "attachment",
        ),
        (
            "a.js",
            b"%PDF-1.7 <script>",
            "application/pdf",
            "attachment",
        ),
        (
            "a.txt",
            b"GIF89a\x01\0\x01\0\0\0\0\x3b<script>",
            "image/gif",
            "inline",
        ),
    ];
    for (name, bytes, media_type, place) in cases {
        let file = upload(&server, &ada, name, Bytes::from_static(bytes)).await;
        assert_eq!(file["type"], media_type, "{name}");
        let answer = open(&server, file["url"].as_str().unwrap()).await;
        assert_eq!(said(&answer, "content-type"), media_type, "{name}");
        assert!(
            said(&answer, "content-disposition").starts_with(place),
            "{name}"
        );
        assert_eq!(said(&answer, "x-content-type-options"), "nosniff");
        assert_eq!(said(&answer, "referrer-policy"), "no-referrer");
        let policy = said(&answer, "content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.ends_with("; sandbox"));
        let is_cut = !answer.body().windows(8).any(|part| part == b"<script>");
        assert!(
            place == "attachment" || is_cut,
            "{name} keeps what lies behind its end"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn a_photo_does_not_say_where_it_was_taken() {
    let server = TestServer::start().await;
    let ada = server.register("ada").await;
    let segment = |kind: u8, body: &[u8]| {
        let length = u16::try_from(body.len() + 2).unwrap().to_be_bytes();
        [&[0xff, kind], &length[..], body].concat()
    };
    let turned = [0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0];
    let exif = [b"Exif\0\0MM\0*\0\0\0\x08", &turned[..], b"GPS 52.5200N"].concat();
    let photo = [
        &[0xff, 0xd8][..],
        &segment(0xe1, &exif),
        &segment(0xc0, &[8, 0, 3, 0, 4, 1, 1, 0x11, 0]),
        &segment(0xda, &[1, 1, 0, 0, 63, 0]),
        b"pixels",
        &[0xff, 0xd9],
    ]
    .concat();
    let file = upload(&server, &ada, "me.jpg", photo).await;
    assert_eq!(
        (&file["width"], &file["height"]),
        (&json!(3), &json!(4)),
        "it lies on its side"
    );
    let answer = open(&server, file["url"].as_str().unwrap()).await;
    assert_eq!(said(&answer, "content-type"), "image/jpeg");
    let has = |text: &[u8]| answer.body().windows(text.len()).any(|part| part == text);
    assert!(has(b"pixels") && has(&turned) && !has(b"GPS"));
    server.stop().await;
}

#[tokio::test]
async fn an_upload_by_tus_goes_on_over_a_restart_and_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::with(in_folder(folder.path())).await;
    let ada = server.register("ada").await;
    let options = ask(&server, ("OPTIONS", "/api/uploads"), &[], "").await;
    assert_eq!(options.status(), 204);
    assert_eq!(said(&options, "tus-version"), "1.0.0");
    assert_eq!(said(&options, "tus-max-size"), (100 << 20).to_string());
    for extension in [
        "creation",
        "creation-with-upload",
        "expiration",
        "termination",
    ] {
        let all = said(&options, "tus-extension").split(',');
        assert_eq!(all.filter(|known| *known == extension).count(), 1);
    }
    let headers = [
        ("upload-length", "10"),
        (
            "upload-metadata",
            "filetype dGV4dC9wbGFpbg==,filename bm90ZXMudHh0",
        ),
        ("content-type", "application/offset+octet-stream"),
    ];
    let made = tus(&server, &ada, ("POST", "/api/uploads"), &headers, "012").await;
    assert_eq!(
        (made.status().as_u16(), said(&made, "upload-offset")),
        (201, "3")
    );
    assert!(said(&made, "upload-expires").ends_with(" GMT"));
    let location = format!("/api/{}", said(&made, "location"));
    let id = said(&made, "location")
        .strip_prefix("uploads/")
        .unwrap()
        .to_owned();
    let stream = ("content-type", "application/offset+octet-stream");
    for (method, headers, status) in [
        ("PATCH", vec![("upload-offset", "2"), stream], 409),
        ("PATCH", vec![("upload-offset", "3")], 415),
        ("PATCH", vec![stream], 400),
        ("HEAD", vec![], 200),
    ] {
        let answer = tus(&server, &ada, (method, &location), &headers, "x").await;
        assert_eq!(answer.status(), status, "{method} {headers:?}");
        assert_eq!(said(&answer, "tus-resumable"), "1.0.0");
    }
    let other = [("authorization", "Bearer x"), ("tus-resumable", "0.2.2")];
    let refused = ask(&server, ("HEAD", &location), &other, "").await;
    assert_eq!(refused.status(), 401);
    // A file that is not whole cannot be sent.
    let bob = server.register("bob").await;
    let early = send(&server, &ada, &bob, json!({"attachments": [id]})).await;
    assert_eq!(early["error"]["code"], "not_found");
    server.stop().await;

    let server = TestServer::with(in_folder(folder.path())).await;
    let strangers = tus(&server, &bob, ("HEAD", &location), &[], "").await;
    assert_eq!(strangers.status(), 404);
    let head = tus(&server, &ada, ("HEAD", &location), &[], "").await;
    assert_eq!(
        (said(&head, "upload-offset"), said(&head, "upload-length")),
        ("3", "10")
    );
    assert_eq!(
        said(&head, "upload-metadata"),
        "filetype dGV4dC9wbGFpbg==,filename bm90ZXMudHh0"
    );
    assert_eq!(said(&head, "cache-control"), "no-store");
    assert!(!head.headers().contains_key("upload-file"));
    let headers = [("upload-offset", "3"), stream];
    let more = tus(&server, &ada, ("PATCH", &location), &headers, "3456").await;
    assert_eq!(
        (more.status().as_u16(), said(&more, "upload-offset")),
        (204, "7")
    );
    let headers = [
        ("upload-offset", "7"),
        stream,
        ("x-http-method-override", "PATCH"),
    ];
    let last = tus(&server, &ada, ("POST", &location), &headers, "789").await;
    assert_eq!(
        (last.status().as_u16(), said(&last, "upload-offset")),
        (204, "10")
    );
    assert_eq!(said(&last, "upload-file"), id);
    let head = tus(&server, &ada, ("HEAD", &location), &[], "").await;
    assert_eq!(
        (said(&head, "upload-offset"), said(&head, "upload-file")),
        ("10", id.as_str())
    );
    let ids = json!({"ids": [id, format!("f{}", "0".repeat(32))]}).to_string();
    let fresh = server
        .send("POST", "/api/files/urls", Some(&ada.token), &ids)
        .await;
    let fresh = fresh.json()["data"].take();
    assert_eq!(
        (fresh.as_array().unwrap().len(), &fresh[0]["name"]),
        (1, &json!("notes.txt"))
    );
    let answer = open(&server, fresh[0]["url"].as_str().unwrap()).await;
    assert_eq!(&answer.body()[..], b"0123456789");
    let forgotten = tus(&server, &ada, ("DELETE", &location), &[], "").await;
    assert_eq!(forgotten.status(), 204);
    assert_eq!(
        tus(&server, &ada, ("HEAD", &location), &[], "")
            .await
            .status(),
        404
    );
    is_gone(&place(&folder.path().join("files"), &json!(id))).await;
    server.stop().await;
}

/// Of a picture that lost its notes the length was told that it had then: clients that lost the
/// last answer took it for another file, or went on to send what was left.
#[tokio::test]
async fn an_upload_is_as_long_as_what_was_sent_though_some_of_it_is_cut_out() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::with(in_folder(folder.path())).await;
    let ada = server.register("ada").await;
    let picture = [
        &b"GIF89a\x01\0\x01\0\0\0\0"[..],
        b"\x21\xfe\x0dgarden of Ada\0",
        b"\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0\x3b",
    ]
    .concat();
    let length = picture.len().to_string();
    let begin = [("upload-length", length.as_str())];
    let made = tus(&server, &ada, ("POST", "/api/uploads"), &begin, "").await;
    let location = format!("/api/{}", said(&made, "location"));
    let stream = (
        "content-type",
        "Application/offset+octet-stream; charset=utf-8",
    );
    let whole = tus(
        &server,
        &ada,
        ("PATCH", &location),
        &[("upload-offset", "0"), stream],
        picture.clone(),
    )
    .await;
    assert_eq!(whole.status(), 204, "{whole:?}");
    let id = said(&whole, "upload-file").to_owned();
    let told = |answer: &Response<Bytes>| {
        let [offset, length] = ["upload-offset", "upload-length"].map(|name| said(answer, name));
        [offset.to_owned(), length.to_owned()]
    };
    let all = [length.clone(), length.clone()];
    assert_eq!(told(&whole), all);
    server.stop().await;
    let server = TestServer::with(in_folder(folder.path())).await;
    let head = tus(&server, &ada, ("HEAD", &location), &[], "").await;
    assert_eq!(told(&head), all);
    // Some send what is left, even where nothing is.
    let end = [("upload-offset", length.as_str()), stream];
    let rest = tus(&server, &ada, ("PATCH", &location), &end, "").await;
    assert_eq!(rest.status(), 204, "{rest:?}");
    assert_eq!((told(&rest), said(&rest, "upload-file")), (all, &*id));
    let more = tus(&server, &ada, ("PATCH", &location), &end, "x").await;
    assert_eq!(more.status(), 409);
    let file = place(&folder.path().join("files"), &json!(id));
    assert!(std::fs::read(file).unwrap().len() < picture.len());
    server.stop().await;
}

/// A file that was refused while it was sent broke its connection, and nobody heard why.
#[tokio::test]
async fn who_is_refused_while_sending_hears_why() {
    let server = TestServer::start().await;
    let mut stream = tokio::net::TcpStream::connect(server.address)
        .await
        .unwrap();
    let head = format!(
        "POST /api/uploads?name=x HTTP/1.1\r\nhost: {}\r\ncontent-length: 3000000\r\n\r\n",
        server.address
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // All of it is taken, and thrown away.
    soon(stream.write_all(&vec![0; 3_000_000])).await.unwrap();
    let mut said = [0; 13];
    soon(stream.read_exact(&mut said)).await.unwrap();
    assert_eq!(&said, b"HTTP/1.1 401 ");
    server.stop().await;
}

/// Starts to send an upload's bytes and stops; gives the connection once the server waits for more.
async fn trickle(server: &Remote, person: &Person) -> (String, tokio::net::TcpStream) {
    let length = ("upload-length", "1000000");
    let made = tus(server, person, ("POST", "/api/uploads"), &[length], "").await;
    let path = format!("/api/{}", said(&made, "location"));
    let mut stream = tokio::net::TcpStream::connect(server.address)
        .await
        .unwrap();
    let head = format!(
        "PATCH {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\ntus-resumable: 1.0.0\r\n\
         upload-offset: 0\r\ncontent-type: application/offset+octet-stream\r\n\
         content-length: 1000000\r\nexpect: 100-continue\r\n\r\n",
        server.address, person.token
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut said = [0; 25];
    soon(stream.read_exact(&mut said)).await.unwrap();
    assert_eq!(&said, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"abc").await.unwrap();
    (path, stream)
}

/// Eight people took all places with bodies that never came, and nobody else could upload.
#[tokio::test]
async fn sixty_four_uploads_that_trickle_keep_nobody_from_uploading() {
    let server = TestServer::start().await;
    let mut trickling = Vec::new();
    for number in 0..8 {
        let person = server.register(&format!("person-{number}")).await;
        for _ in 0..8 {
            trickling.push(trickle(&server, &person).await);
        }
        if number == 0 {
            let ninth = tus(
                &server,
                &person,
                ("POST", "/api/uploads?name=x"),
                &[],
                "more than a share",
            )
            .await;
            assert_eq!(code(&ninth), "storage_unavailable");
            assert!(ninth.headers().contains_key("retry-after"));
        }
        if number == 7 {
            let late = server.register("late").await;
            upload(&server, &late, "x.txt", "it goes on").await;
            // One has made way, with what had come.
            let (path, stream) = trickling.last_mut().unwrap();
            let mut said = [0; 12];
            soon(stream.read_exact(&mut said)).await.unwrap();
            assert_eq!(&said, b"HTTP/1.1 503");
            let head = tus(&server, &person, ("HEAD", path), &[], "").await;
            // As much of it as had come.
            assert!(matches!(self::said(&head, "upload-offset"), "0" | "3"));
        }
    }
    drop(trickling);
    server.stop().await;
}

#[tokio::test]
async fn an_upload_says_its_length_in_digits_and_before_it_comes() {
    let server = TestServer::start().await;
    let ada = server.register("ada").await;
    for length in ["+5", "-5", "5.0", "", "0x5", "18446744073709551616"] {
        let headers = [("upload-length", length)];
        let answer = tus(&server, &ada, ("POST", "/api/uploads"), &headers, "").await;
        assert_eq!(
            (answer.status().as_u16(), code(&answer)),
            (400, "invalid_payload".into()),
            "{length:?}"
        );
    }
    let long = "x".repeat(2_049);
    let headers = [("upload-length", "5"), ("upload-metadata", &long)];
    let answer = tus(&server, &ada, ("POST", "/api/uploads"), &headers, "").await;
    assert_eq!(code(&answer), "invalid_payload");
    let mut stream = tokio::net::TcpStream::connect(server.address)
        .await
        .unwrap();
    let request = format!(
        "POST /api/uploads?name=x HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n\
         transfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        server.address, ada.token
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut said = [0; 12];
    soon(stream.read_exact(&mut said)).await.unwrap();
    assert_eq!(&said, b"HTTP/1.1 411");
    server.stop().await;
}

#[tokio::test]
async fn pages_of_allowed_origins_may_upload_and_read_what_tus_says() {
    let mut config = config();
    config.engine.origins =
        chatd::web::Origins::new(["https://app.example.org".to_owned()]).unwrap();
    let server = TestServer::with(config).await;
    let ada = server.register("ada").await;
    let asks = [
        ("origin", "https://app.example.org"),
        ("access-control-request-method", "PATCH"),
        (
            "access-control-request-headers",
            "tus-resumable,upload-offset,content-type",
        ),
    ];
    let preflight = ask(&server, ("OPTIONS", "/api/uploads/x"), &asks, "").await;
    assert!(said(&preflight, "access-control-allow-methods").contains("PATCH"));
    assert!(said(&preflight, "access-control-allow-headers").contains("upload-offset"));
    let headers = [asks[0], ("upload-length", "3")];
    let made = tus(&server, &ada, ("POST", "/api/uploads"), &headers, "").await;
    assert_eq!(
        said(&made, "access-control-allow-origin"),
        "https://app.example.org"
    );
    let exposed: Vec<_> = said(&made, "access-control-expose-headers")
        .split(',')
        .collect();
    for name in [
        "location",
        "upload-offset",
        "upload-length",
        "upload-file",
        "tus-resumable",
    ] {
        assert!(exposed.contains(&name), "{name}");
    }
    server.stop().await;
}

/// `curl -F file=@trip.jpg`: the bounds of the form's parts were kept around the picture.
#[tokio::test]
async fn a_form_with_a_file_in_it_is_not_kept_as_the_file() {
    let server = TestServer::start().await;
    let ada = server.register("ada").await;
    let form = "--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\na\r\n--x--\r\n";
    let post = ("POST", "/api/uploads?name=a.txt");
    for kind in [
        "multipart/form-data; boundary=x",
        "Multipart/Form-Data; boundary=x",
    ] {
        let refused = tus(&server, &ada, post, &[("content-type", kind)], form).await;
        let wanted = (415, "unsupported_type".to_owned());
        assert_eq!((refused.status().as_u16(), code(&refused)), wanted);
    }
    // What curl says of any body that it is given.
    let kind = ("content-type", "application/x-www-form-urlencoded");
    let taken = tus(&server, &ada, post, &[kind], "a").await;
    assert_eq!(taken.status(), 201);
    server.stop().await;
}

#[tokio::test]
async fn what_may_not_be_sent_is_refused_with_its_code() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = in_folder(folder.path());
    (config.files.max_file, config.files.quota) = (100, Some(250));
    let server = TestServer::with(config).await;
    let (ada, bob) = server.two_people().await;
    let large = tus(
        &server,
        &ada,
        ("POST", "/api/uploads"),
        &[("upload-length", "101")],
        "",
    )
    .await;
    assert_eq!(
        (large.status().as_u16(), code(&large)),
        (413, "file_too_large".into())
    );
    let large = tus(
        &server,
        &ada,
        ("POST", "/api/uploads?name=x"),
        &[],
        vec![b'x'; 101],
    )
    .await;
    assert_eq!(
        (large.status().as_u16(), code(&large)),
        (413, "file_too_large".into())
    );
    let told = server.send("GET", "/api/server", None, "").await;
    assert_eq!(told.json()["data"]["max_file"], 100);

    let one = upload(&server, &ada, "one.txt", vec![b'1'; 100]).await;
    let two = upload(&server, &bob, "two.txt", vec![b'2'; 100]).await;
    let full = tus(
        &server,
        &ada,
        ("POST", "/api/uploads?name=x"),
        &[],
        vec![b'x'; 51],
    )
    .await;
    assert_eq!(
        (full.status().as_u16(), code(&full)),
        (507, "quota_exceeded".into())
    );
    for (message, code) in [
        (json!({}), "invalid_payload"),
        (json!({"content": ""}), "empty_message"),
        (json!({"attachments": []}), "invalid_payload"),
        (json!({"attachments": ["x"]}), "invalid_payload"),
        (
            json!({"content": "x", "attachments": [two["id"]]}),
            "not_found",
        ),
        (json!({"attachments": [one["id"], one["id"]]}), "not_found"),
        (
            json!({"attachments": vec![one["id"].clone(); 11]}),
            "invalid_payload",
        ),
    ] {
        let refused = send(&server, &ada, &bob, message.clone()).await;
        assert_eq!(refused["error"]["code"], code, "{message}");
    }
    // None of these has taken the file.
    let message = json!({"content": "", "attachments": [one["id"]], "client_id": "c"});
    let sent = send(&server, &ada, &bob, message.clone()).await;
    assert_eq!(sent["data"]["content"], "one.txt", "{sent}");
    let again = send(&server, &ada, &bob, message).await;
    assert_eq!(again["data"], sent["data"], "sent again it is the same");
    let other = json!({"content": "", "attachments": [two["id"]], "client_id": "c"});
    let other = send(&server, &ada, &bob, other).await;
    assert_eq!(other["error"]["code"], "client_id_reused");
    let taken = send(&server, &ada, &bob, json!({"attachments": [one["id"]]})).await;
    assert_eq!(
        taken["error"]["code"], "not_found",
        "a file belongs to one message"
    );
    // Once its message is gone there is room again.
    let message = format!("/api/messages/{}", sent["data"]["id"]);
    server.send("DELETE", &message, Some(&ada.token), "").await;
    upload(&server, &ada, "x", vec![b'x'; 51]).await;
    server.stop().await;
}

#[tokio::test]
async fn a_text_that_is_edited_takes_the_place_of_the_names() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let file = upload(&server, &ada, "one.txt", "x").await;
    let message = json!({"attachments": [file["id"]], "client_id": "c"});
    let sent = send(&server, &ada, &bob, message.clone()).await;
    let mut socket = server.connect_second(&ada).await;
    let edit = json!({"message_id": sent["data"]["id"], "content": "look"});
    let edited = socket.call(1, "edit_message", edit).await.0;
    assert_eq!(edited["success"], true, "{edited}");
    let path = format!("/api/messages/{}", sent["data"]["id"]);
    let row = server.get(&path, &bob.token).await["data"].take();
    assert_eq!(
        (&row["content"], row["auto_content"].is_null()),
        (&json!("look"), true)
    );
    assert_eq!(row["attachments"], json!([file]));
    // A retry is still known for what it was.
    let again = send(&server, &ada, &bob, message).await;
    assert_eq!(again["data"]["id"], sent["data"]["id"], "{again}");
    server.stop().await;
}

#[tokio::test]
async fn what_its_sender_says_of_a_file_comes_with_it_and_is_bounded() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let mut files = Vec::new();
    for name in ["pier.txt", "blank.txt", "bare.txt"] {
        files.push(upload(&server, &ada, name, "some bytes").await);
    }
    let id = |at: usize| files[at]["id"].clone();
    let of_files = |files: Value| send(&server, &ada, &bob, json!({"attachments": files}));
    let long = "ü".repeat(501);
    for wrong in [
        json!([{"id": id(0), "alt": long}]),
        json!([{"id": id(0), "alt": 7}]),
        json!([{"alt": "Two people on a pier"}]),
        json!([{"id": "f1", "alt": "Two people on a pier"}]),
        json!([7]),
    ] {
        let refused = of_files(wrong.clone()).await;
        assert_eq!(refused["error"]["code"], "invalid_payload", "{wrong}");
        let message = refused["error"]["message"].as_str().unwrap();
        assert!(message.starts_with("attachments: "), "{message}");
    }
    let mut theirs = server.connect_second(&bob).await;
    let named = json!([
        {"id": id(0), "alt": "Two people on a pier"},
        {"id": id(1), "alt": " "},
        id(2),
    ]);
    let sent = of_files(named).await;
    let mut rows = files.clone();
    rows[0]["alt"] = "Two people on a pier".into();
    assert_eq!(sent["data"]["attachments"], json!(rows), "{sent}");
    let told = theirs.expect("receive_message").await;
    assert_eq!(told["attachments"], json!(rows));
    let history = format!("/api/chats/history/{}", ada.id);
    let read = server.get(&history, &bob.token).await;
    assert_eq!(read["data"][0]["attachments"], json!(rows));
    let ids = json!({"ids": [id(0)]}).to_string();
    let fresh = server.send("POST", "/api/files/urls", Some(&bob.token), &ids);
    assert_eq!(fresh.await.json()["data"][0]["alt"], "Two people on a pier");
    server.stop().await;
}

#[tokio::test]
async fn files_of_a_room_are_its_members() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let carl = server.register("carl").await;
    let room = json!({"name": "Ops", "member_ids": [bob.id]}).to_string();
    let room = server
        .send("POST", "/api/rooms", Some(&ada.token), &room)
        .await;
    let room = room.json()["data"]["id"].clone();
    let file = upload(&server, &ada, "plan.txt", "the plan").await;
    let mut theirs = server.connect_second(&bob).await;
    let mut socket = server.connect_second(&ada).await;
    let message = json!({"room_id": room, "attachments": [file["id"]]});
    let sent = socket.call(1, "send_message", message).await.0;
    assert_eq!(sent["data"]["attachments"], json!([file]), "{sent}");
    let told = theirs.expect("room_message").await;
    assert_eq!(
        (&told["attachments"], &told["content"]),
        (&json!([file]), &json!("plan.txt"))
    );
    let history = format!("/api/rooms/{room}/history");
    let row = server.get(&history, &bob.token).await["data"][0].take();
    assert_eq!(
        (&row["attachments"], &row["auto_content"]),
        (&json!([file]), &json!(true))
    );
    let ids = json!({"ids": [file["id"]]}).to_string();
    for (person, count) in [(&ada, 1), (&bob, 1), (&carl, 0)] {
        let fresh = server
            .send("POST", "/api/files/urls", Some(&person.token), &ids)
            .await;
        assert_eq!(fresh.json()["data"].as_array().unwrap().len(), count);
    }
    let url = file["url"].as_str().unwrap();
    assert_eq!(&open(&server, url).await.body()[..], b"the plan");
    let erase = json!({"message_id": sent["data"]["id"]});
    let erased = socket.call(2, "delete_message", erase).await.0;
    assert_eq!(erased["success"], true, "{erased}");
    assert_eq!(code(&open(&server, url).await), "url_expired");
    server.stop().await;
}

#[tokio::test]
async fn a_preview_is_taken_before_its_file_is_sent() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let gif = b"GIF89a\x04\0\x03\0\0\0\0\x3b";
    let webp = b"RIFF\x12\0\0\0WEBPVP8L\x06\0\0\0\x2f\x03\x80\0\0\x09";
    let file = upload(&server, &ada, "a.gif", &gif[..]).await;
    let path = format!("/api/uploads/{}/preview", file["id"].as_str().unwrap());
    let put = ("PUT", path.as_str());
    let unfit: [(&[u8], u16); 3] = [(gif, 415), (b"<svg>", 415), (&[0; (64 << 10) + 1], 413)];
    for (body, status) in unfit {
        let answer = tus(&server, &ada, put, &[], Bytes::copy_from_slice(body)).await;
        assert_eq!(answer.status(), status);
    }
    assert_eq!(tus(&server, &bob, put, &[], &webp[..]).await.status(), 404);
    let answer = tus(&server, &ada, put, &[], &webp[..]).await;
    assert_eq!(answer.status(), 200, "{answer:?}");
    let sent = send(&server, &ada, &bob, json!({"attachments": [file["id"]]})).await;
    let preview = sent["data"]["attachments"][0]["preview"].as_str().unwrap();
    let answer = open(&server, preview).await;
    assert_eq!(
        (said(&answer, "content-type"), &answer.body()[..]),
        ("image/webp", &webp[..])
    );
    assert_eq!(
        tus(&server, &ada, put, &[], &webp[..]).await.status(),
        404,
        "sent is sent"
    );
    server.stop().await;
}

/// A preview that came while its file was being sent took the place of the one that was sent.
#[tokio::test]
async fn a_preview_that_comes_while_its_file_is_sent_does_not_alter_what_is_sent() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let webp = |side: u8| {
        let mut bytes = b"RIFF\x12\0\0\0WEBPVP8L\x06\0\0\0\x2f\x03\x80\0\0\x09".to_vec();
        bytes[21] = side;
        bytes
    };
    for round in 0..20 {
        let file = upload(&server, &ada, "a.gif", &b"GIF89a\x04\0\x03\0\0\0\0\x3b"[..]).await;
        let path = format!("/api/uploads/{}/preview", file["id"].as_str().unwrap());
        let put = |side| tus(&server, &ada, ("PUT", path.as_str()), &[], webp(side));
        assert_eq!(put(1).await.status(), 200);
        let message = json!({"attachments": [file["id"]]});
        let (second, sent) = tokio::join!(put(2), send(&server, &ada, &bob, message));
        let preview = sent["data"]["attachments"][0]["preview"].as_str().unwrap();
        let answer = open(&server, preview).await;
        let side = if second.status() == 200 { 2 } else { 1 };
        assert_eq!(answer.body()[..], webp(side)[..], "{round}: {second:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_start_clears_away_what_a_crash_has_left() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::with(in_folder(folder.path())).await;
    let ada = server.register("ada").await;
    let kept = upload(&server, &ada, "kept.txt", "kept").await;
    let files = folder.path().join("files");
    let made = tus(
        &server,
        &ada,
        ("POST", "/api/uploads"),
        &[("upload-length", "9")],
        "",
    )
    .await;
    let location = format!("/api/{}", said(&made, "location"));
    let headers = [
        ("upload-offset", "0"),
        ("content-type", "application/offset+octet-stream"),
    ];
    tus(&server, &ada, ("PATCH", &location), &headers, "0123").await;
    server.stop().await;
    // Files that no row names, and an upload of which the disk has lost what it had confirmed.
    let spare = files.join("ab").join(format!("fab{}", "0".repeat(30)));
    std::fs::create_dir_all(spare.parent().unwrap()).unwrap();
    for end in ["", ".part", ".preview", ".preview2", ".new"] {
        std::fs::write(format!("{}{end}", spare.display()), "spare").unwrap();
    }
    // A preview that was refused, and a copy in the making, of a file that is there.
    let beside = |end| PathBuf::from(format!("{}{end}", place(&files, &kept["id"]).display()));
    for end in [".part", ".preview2", ".new"] {
        std::fs::write(beside(end), "spare").unwrap();
    }
    let part = place(
        &files,
        &json!(said(&made, "location").replace("uploads/", "")),
    );
    let part = PathBuf::from(format!("{}.part", part.display()));
    std::fs::write(&part, "01").unwrap();
    let server = TestServer::with(in_folder(folder.path())).await;
    for end in ["", ".part", ".preview", ".preview2", ".new"] {
        is_gone(&PathBuf::from(format!("{}{end}", spare.display()))).await;
    }
    for end in [".part", ".preview2", ".new"] {
        is_gone(&beside(end)).await;
    }
    is_gone(&part).await;
    assert_eq!(
        tus(&server, &ada, ("HEAD", &location), &[], "")
            .await
            .status(),
        404
    );
    assert!(place(&files, &kept["id"]).exists());
    // What was whole is kept for a while.
    for (end, is_kept) in [
        ("", true),
        (".part", false),
        (".preview", true),
        (".new", false),
    ] {
        let aside = files.join(format!("spare/fab{}{end}", "0".repeat(30)));
        assert_eq!(aside.exists(), is_kept, "{end}");
    }
    use std::os::unix::fs::PermissionsExt;
    let mode = place(&files, &kept["id"])
        .metadata()
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    server.stop().await;
}

#[tokio::test]
async fn a_start_on_the_wrong_data_file_loses_no_files() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::with(in_folder(folder.path())).await;
    let (ada, bob) = server.two_people().await;
    let file = upload(&server, &ada, "one.txt", "the first file").await;
    let sent = send(&server, &ada, &bob, json!({"attachments": [file["id"]]})).await;
    assert_eq!(sent["success"], true, "{sent}");
    server.stop().await;
    let (files, data) = (
        folder.path().join("files"),
        folder.path().join("chatd.redb"),
    );
    let (bytes, aside) = (
        place(&files, &file["id"]),
        files.join("spare").join(file["id"].as_str().unwrap()),
    );

    // The disk with the data file was not mounted: a new one is made.
    std::fs::rename(&data, folder.path().join("away.redb")).unwrap();
    let server = TestServer::with(in_folder(folder.path())).await;
    is_gone(&bytes).await;
    server.stop().await;
    assert_eq!(std::fs::read(&aside).unwrap(), b"the first file");

    std::fs::rename(folder.path().join("away.redb"), &data).unwrap();
    let server = TestServer::with(in_folder(folder.path())).await;
    is_gone(&aside).await;
    let row = server
        .get(&format!("/api/messages/{}", sent["data"]["id"]), &bob.token)
        .await;
    let url = row["data"]["attachments"][0]["url"].as_str().unwrap();
    assert_eq!(open(&server, url).await.body(), "the first file");
    // Bytes that are missing all the same are the server's fault, not the URL's.
    std::fs::remove_file(&bytes).unwrap();
    let answer = open(&server, url).await;
    assert_eq!(
        (answer.status().as_u16(), &*code(&answer)),
        (503, "storage_unavailable")
    );
    server.stop().await;
}

/// What telephones record said where and when, by whose program, with a picture of the album.
#[tokio::test]
async fn recorded_sound_and_film_lose_what_they_tell_of_their_maker_and_a_pdf_stays_as_it_is() {
    const SECRET: &[u8] = b"garden of Ada, 52.52 N";
    let server = TestServer::start().await;
    let ada = server.register("ada").await;
    let frame = [&b"\xff\xfb\x90\x64"[..], &[7; 413]].concat();
    let frames = frame.repeat(9);
    let tag = [&b"ID3\x03\0\0\0\0\0\x16"[..], SECRET].concat();
    let mut end = [b"TAG", SECRET].concat();
    end.resize(128, 0);
    let mp3 = [&tag[..], &frames, &end].concat();
    let element = |id: &[u8], body: &[u8]| {
        let length = u8::try_from(body.len()).unwrap() | 0x80;
        [id, &[length], body].concat()
    };
    let track = [
        &b"\xd7\x81\x01\x83\x81\x02"[..],
        &element(b"\x53\x6e", SECRET),
    ]
    .concat();
    let tracks = element(b"\x16\x54\xae\x6b", &element(b"\xae", &track));
    let cluster = element(b"\x1f\x43\xb6\x75", &element(b"\xa3", b"\x81\0\0\x80sound"));
    let tags = element(b"\x12\x54\xc3\x67", SECRET);
    let film = |head: &[u8], before: &[u8]| {
        let segment = b"\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff";
        let parts = [
            &b"\x1a\x45\xdf\xa3"[..],
            head,
            segment,
            before,
            &tracks,
            &cluster,
            &tags,
        ];
        parts.concat()
    };
    let webm = film(b"\x87\x42\x82\x84webm", b"");
    let info = [
        element(b"\x44\x61", &[1, 2, 3, 4, 5, 6, 7, 8]),
        element(b"\x7b\xa9", SECRET),
    ];
    let font = [
        element(b"\x46\x6e", SECRET),
        element(b"\x46\x60", b"font/ttf"),
        element(b"\x46\x5c", SECRET),
    ];
    let before = [
        element(b"\x15\x49\xa9\x66", &info.concat()),
        element(b"\x19\x41\xa4\x69", &element(b"\x61\xa7", &font.concat())),
    ];
    let matroska = film(b"\x8b\x42\x82\x88matroska", &before.concat());
    let pdf = [b"%PDF-1.7 /Author (", SECRET, b")"].concat();
    let opened = async |name: &str, bytes: Vec<u8>| {
        let file = upload(&server, &ada, name, bytes).await;
        let answer = open(&server, file["url"].as_str().unwrap()).await;
        let (kind, way) = (
            said(&answer, "content-type"),
            said(&answer, "content-disposition"),
        );
        let how = way.split(';').next().unwrap();
        (kind.to_owned(), how.to_owned(), answer.body().to_vec())
    };
    let contains = |bytes: &[u8]| bytes.windows(SECRET.len()).any(|part| part == SECRET);

    let (kind, how, bytes) = opened("memo.mp3", mp3).await;
    assert_eq!((&*kind, &*how), ("audio/mpeg", "inline"));
    assert!(bytes == frames, "{} {}", bytes.len(), frames.len());
    let (kind, how, bytes) = opened("memo.webm", webm.clone()).await;
    assert_eq!((&*kind, &*how), ("video/webm", "inline"));
    assert!(bytes.len() == webm.len() && !contains(&bytes));
    assert!(bytes.windows(5).any(|part| part == b"sound"));
    let (kind, how, bytes) = opened("memo.mkv", matroska.clone()).await;
    assert_eq!((&*kind, &*how), ("application/octet-stream", "attachment"));
    assert!(bytes.len() == matroska.len() && !contains(&bytes));
    assert!(bytes.windows(5).any(|part| part == b"sound"));
    let (kind, how, bytes) = opened("paper.pdf", pdf.clone()).await;
    assert_eq!((&*kind, &*how), ("application/pdf", "attachment"));
    assert!(bytes == pdf && contains(&bytes));
    server.stop().await;
}

/// It started, and no file could ever be uploaded.
#[tokio::test]
async fn a_server_whose_folder_of_files_is_a_file_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("notes.txt"), "notes").unwrap();
    std::os::unix::fs::symlink(path("nowhere"), path("link")).unwrap();
    for name in ["notes.txt", "notes.txt/files", "link"] {
        let files = path(name);
        let data = folder.path().join("chatd.redb");
        let said = fails(&data, &["--port", "0", "--files", &files]).await;
        let wanted = format!("the folder of files {files} cannot be used, give another --files");
        assert!(said.contains(&wanted), "{name}: {said}");
    }
    assert_eq!(std::fs::read(path("notes.txt")).unwrap(), b"notes");
}

#[tokio::test]
async fn two_servers_do_not_work_in_one_folder_of_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let files = path("files").to_str().unwrap().to_owned();
    let running = Running::on(&path("one.redb"), &["--files", &files], &[]).await;
    let ada = register(&running.remote, "ada").await;
    upload(&running.remote, &ada, "one.txt", "the first file").await;
    let said = fails(&path("two.redb"), &["--port", "0", "--files", &files]).await;
    assert!(
        said.contains(&format!("{files} cannot be used, give another --files")),
        "{said}"
    );
    running.stop().await;
}

#[tokio::test]
async fn copies_tell_of_files_that_are_damaged_and_take_the_sound_ones() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let text = |name: &str| path(name).to_str().unwrap().to_owned();
    let data = path("chatd.redb");
    let running = Running::on(&data, &[], &[]).await;
    let ada = register(&running.remote, "ada").await;
    let bob = register(&running.remote, "bob").await;
    let mut ids = Vec::new();
    for name in ["one", "two"] {
        ids.push(
            upload(&running.remote, &ada, name, format!("the file {name}")).await["id"].take(),
        );
    }
    let mut socket = connect(&running.remote, &ada).await;
    let message = json!({"receiver_id": bob.id, "attachments": ids});
    let sent = socket.call(1, "send_message", message).await.0;
    assert_eq!(sent["success"], true, "{sent}");
    done(&data, &["backup", &text("sound.redb")]).await;
    running.stop().await;

    let (one, two) = (
        place(&path("chatd.redb.files"), &ids[0]),
        place(&path("chatd.redb.files"), &ids[1]),
    );
    let altered =
        |said: &str, id: &Value| said.contains(&format!("altered: {}", id.as_str().unwrap()));
    std::fs::write(&one, "the file o").unwrap();
    for arguments in [
        ["backup", &text("damaged.redb")],
        ["export", &text("damaged.jsonl")],
    ] {
        let said = fails(&data, &arguments).await;
        assert!(
            altered(&said, &ids[0]) && !altered(&said, &ids[1]),
            "{said}"
        );
    }
    // Of each file the sound one is taken, whether it is the backup's or was there before.
    std::fs::write(place(&path("sound.redb.files"), &ids[1]), "the file twx").unwrap();
    done(&data, &["restore", &text("sound.redb")]).await;
    assert_eq!(std::fs::read(&one).unwrap(), b"the file one");
    assert_eq!(std::fs::read(&two).unwrap(), b"the file two");
    assert!(done(&data, &["check"]).await.contains("is sound"));
    // What is damaged in both is there as it is, and said.
    std::fs::write(&two, "the file twy").unwrap();
    let said = fails(&data, &["restore", &text("sound.redb")]).await;
    assert!(
        altered(&said, &ids[1]) && !altered(&said, &ids[0]),
        "{said}"
    );
    assert_eq!(std::fs::read(&two).unwrap(), b"the file twx");
}

#[tokio::test]
async fn a_restore_knows_a_folder_of_files_on_another_disk() {
    let (folder, elsewhere) = (
        tempfile::tempdir().unwrap(),
        tempfile::tempdir_in("/dev/shm").unwrap(),
    );
    let path = |name: &str| folder.path().join(name);
    let data = path("chatd.redb");
    let (copy, files) = (path("copy.redb"), elsewhere.path().join("files"));
    let files_flag = ["--files", files.to_str().unwrap()];
    let running = Running::on(&data, &files_flag, &[]).await;
    let ada = register(&running.remote, "ada").await;
    let bob = register(&running.remote, "bob").await;
    let file = upload(&running.remote, &ada, "one.txt", "the first file").await;
    let mut socket = connect(&running.remote, &ada).await;
    let message = json!({"receiver_id": bob.id, "attachments": [file["id"]]});
    assert_eq!(
        socket.call(1, "send_message", message).await.0["success"],
        true
    );
    let with_files = |command: &'static str| {
        [
            command,
            files_flag[0],
            files_flag[1],
            copy.to_str().unwrap(),
        ]
    };
    done(&data, &with_files("backup")).await;
    running.stop().await;
    std::fs::remove_file(place(&files, &file["id"])).unwrap();
    let said = done(&data, &with_files("restore")).await;
    assert!(
        said.contains("the next start sets aside what nothing names"),
        "{said}"
    );
    assert_eq!(
        std::fs::read(place(&files, &file["id"])).unwrap(),
        b"the first file"
    );
}

/// Runs a command that must succeed; gives what it says.
pub(crate) async fn done(data: &Path, arguments: &[&str]) -> String {
    let output = command(data, arguments, "").await;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
    said
}

/// Runs a command that must fail; gives what it says.
async fn fails(data: &Path, arguments: &[&str]) -> String {
    let output = command(data, arguments, "").await;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
    said
}

pub(crate) async fn register(server: &Remote, name: &str) -> Person {
    let body = json!({"username": name, "password": "password1"}).to_string();
    let reply = server.send("POST", "/api/auth/register", None, &body).await;
    let data = reply.json()["data"].take();
    Person {
        id: data["user"]["id"].as_u64().unwrap(),
        token: data["token"].as_str().unwrap().into(),
    }
}

#[tokio::test]
async fn backups_restores_checks_and_exports_know_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let text = |name: &str| path(name).to_str().unwrap().to_owned();
    let data = path("chatd.redb");
    let running = Running::on(&data, &[], &[]).await;
    let (ada, bob) = (
        register(&running.remote, "ada").await,
        register(&running.remote, "bob").await,
    );
    let file = upload(&running.remote, &ada, "one.txt", "the first file").await;
    let mut socket = connect(&running.remote, &ada).await;
    let named = json!({"id": file["id"], "alt": "what is in it"});
    let message = json!({"receiver_id": bob.id, "attachments": [named]});
    let sent = socket.call(1, "send_message", message).await.0;
    assert_eq!(sent["success"], true, "{sent}");
    let said = done(&data, &["backup", &text("copy.redb")]).await;
    assert!(said.contains("copy.redb.files: 1 files"), "{said}");
    let copied = place(&path("copy.redb.files"), &file["id"]);
    assert_eq!(std::fs::read(&copied).unwrap(), b"the first file");
    assert!(done(&data, &["check"]).await.contains("is sound"));
    // The message is deleted after the backup.
    let path_of_message = format!("/api/messages/{}", sent["data"]["id"]);
    running
        .remote
        .send("DELETE", &path_of_message, Some(&ada.token), "")
        .await;
    is_gone(&place(&path("chatd.redb.files"), &file["id"])).await;
    running.stop().await;

    done(&data, &["export", &text("all.jsonl")]).await;
    assert!(!path("all.jsonl.files").exists(), "nothing is left of it");
    done(&data, &["restore", &text("copy.redb")]).await;
    let back = place(&path("chatd.redb.files"), &file["id"]);
    assert_eq!(std::fs::read(&back).unwrap(), b"the first file");
    assert!(done(&data, &["check"]).await.contains("is sound"));
    done(&data, &["export", &text("back.jsonl")]).await;
    let other = path("other.redb");
    done(&other, &["import", &text("back.jsonl")]).await;
    assert!(place(&path("other.redb.files"), &file["id"]).exists());
    assert!(done(&other, &["check"]).await.contains("is sound"));
    done(&other, &["export", &text("again.jsonl")]).await;
    let lines = |name| std::fs::read_to_string(path(name)).unwrap();
    assert_eq!(lines("again.jsonl"), lines("back.jsonl"));
    assert!(lines("again.jsonl").contains(r#""alt":"what is in it""#));

    std::fs::write(&back, "another file!!").unwrap();
    let said = fails(&data, &["check"]).await;
    assert!(
        said.contains(&format!("file {}: altered", file["id"].as_str().unwrap())),
        "{said}"
    );
    std::fs::remove_file(&back).unwrap();
    assert!(fails(&data, &["check"]).await.contains(": missing"));
    // A backup without its files names them.
    std::fs::remove_dir_all(path("copy.redb.files")).unwrap();
    let said = fails(&data, &["restore", &text("copy.redb")]).await;
    assert!(
        said.contains(&format!("missing: {}", file["id"].as_str().unwrap())),
        "{said}"
    );
    let said = fails(
        &path("third.redb"),
        &["import", "--files", &text("third"), &text("none.jsonl")],
    )
    .await;
    assert!(said.contains("none.jsonl"), "{said}");
}

/// An export to standard output has no files, and the import of it failed.
#[tokio::test]
async fn an_export_without_its_files_is_imported_and_says_which_are_missing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("chatd.redb");
    let running = Running::on(&data, &[], &[]).await;
    let (ada, bob) = (
        register(&running.remote, "ada").await,
        register(&running.remote, "bob").await,
    );
    let mut socket = connect(&running.remote, &ada).await;
    let mut ids = Vec::new();
    for (number, content) in [(1, json!("look at this")), (2, Value::Null)] {
        let file = upload(&running.remote, &ada, "trip.txt", "the trip").await;
        let mut message = json!({"receiver_id": bob.id, "attachments": [file["id"]]});
        if !content.is_null() {
            message["content"] = content;
        }
        let sent = socket.call(number, "send_message", message).await.0;
        assert_eq!(sent["success"], true, "{sent}");
        ids.push(file["id"].as_str().unwrap().to_owned());
    }
    running.stop().await;
    let lines = command(&data, &["export"], "").await.stdout;
    std::fs::write(folder.path().join("all.jsonl"), lines).unwrap();
    let other = folder.path().join("other.redb");
    let lines = folder.path().join("all.jsonl");
    let said = done(&other, &["import", lines.to_str().unwrap()]).await;
    assert!(said.contains("2 files are not in "), "{said}");
    for id in &ids {
        assert!(said.contains(&format!("missing: {id}")), "{said}");
    }
    assert!(done(&other, &["check"]).await.contains("is sound"));
    // One that was cut short is not taken for the whole.
    let files = folder.path().join("all.jsonl.files");
    for (id, bytes) in ids.iter().zip(["the t", "the trip"]) {
        let place = place(&files, &json!(id));
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::write(place, bytes).unwrap();
    }
    let third = folder.path().join("third.redb");
    let said = done(&third, &["import", lines.to_str().unwrap()]).await;
    assert!(said.contains("1 files are not in "), "{said}");
    assert!(said.contains(&format!("missing: {}", ids[0])), "{said}");
    assert!(done(&third, &["check"]).await.contains("is sound"));
    let running = Running::on(&other, &[], &[]).await;
    let body = json!({"username": "bob", "password": "password1"}).to_string();
    let login = running.remote.send("POST", "/api/auth/login", None, &body);
    let token = login.await.json()["data"]["token"].take();
    let path = format!("/api/chats/history/{}", ada.id);
    let history = running.remote.send("GET", &path, token.as_str(), "").await;
    let rows = history.json()["data"].take();
    let texts: Vec<_> = rows.as_array().unwrap().iter().collect();
    assert_eq!(texts.len(), 2);
    for (row, text) in texts.iter().zip(["look at this", "trip.txt"]) {
        assert_eq!(row["content"], text);
        assert_eq!(row["attachments"], Value::Null, "{row}");
    }
    running.stop().await;
}

#[tokio::test]
async fn a_backup_over_http_has_the_files_and_is_restored_from() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::with(in_folder(folder.path())).await;
    let root = server.admin().await;
    let bob = server.register("bob").await;
    let file = upload(
        &server,
        &root,
        "a.gif",
        &b"GIF89a\x04\0\x03\0\0\0\0\x3b"[..],
    )
    .await;
    let webp = b"RIFF\x12\0\0\0WEBPVP8L\x06\0\0\0\x2f\x03\x80\0\0\x09";
    let path = format!("/api/uploads/{}/preview", file["id"].as_str().unwrap());
    tus(&server, &root, ("PUT", &path), &[], &webp[..]).await;
    let other = upload(&server, &root, "b.bin", vec![7; 100_000]).await;
    let message = json!({"attachments": [file["id"], other["id"]]});
    let sent = send(&server, &root, &bob, message).await;
    assert_eq!(sent["success"], true, "{sent}");
    let path = "/api/admin/backup?files=true";
    let refused = tus(&server, &bob, ("GET", path), &[], "").await;
    assert_eq!(refused.status(), 403);
    let answer = tus(&server, &root, ("GET", path), &[], "").await;
    assert_eq!(answer.status(), 200);
    assert_eq!(said(&answer, "chatd-files"), "2");
    assert_eq!(said(&answer, "chatd-files-missing"), "0");
    let name = said(&answer, "content-disposition");
    let name = name.split('"').nth(1).unwrap();
    let name = name.strip_suffix(".tar").unwrap().to_owned();
    assert_eq!(answer.body().len() % 512, 0);
    let length = answer.body().len().to_string();
    assert_eq!(said(&answer, "content-length"), length);
    let out = folder.path().join("out");
    std::fs::create_dir(&out).unwrap();
    std::fs::write(out.join("all.tar"), answer.body()).unwrap();
    let tar = std::process::Command::new("tar")
        .args(["-xf", "all.tar"])
        .current_dir(&out)
        .status();
    assert!(tar.unwrap().success());
    // What comes after it is none of it, and what is deleted after it goes once it is sent.
    let message = format!("/api/messages/{}", sent["data"]["id"]);
    server.send("DELETE", &message, Some(&root.token), "").await;
    is_gone(&place(&folder.path().join("files"), &file["id"])).await;
    server.stop().await;

    let back = folder.path().join("back.redb");
    done(&back, &["restore", out.join(name).to_str().unwrap()]).await;
    assert!(done(&back, &["check"]).await.contains("is sound"));
    let bytes = std::fs::read(place(&folder.path().join("back.redb.files"), &other["id"]));
    assert_eq!(bytes.unwrap(), vec![7; 100_000]);
    let preview = place(&folder.path().join("back.redb.files"), &file["id"]);
    let preview = std::fs::read(format!("{}.preview", preview.display()));
    assert_eq!(preview.unwrap(), webp);
}

/// A socket of version 2, where the server is another process.
pub(crate) async fn connect(server: &Remote, person: &Person) -> crate::support::Wire {
    let mut wire = server.wire("/socket.io/?EIO=4&transport=websocket").await;
    assert!(wire.text().await.starts_with("0{"));
    let auth = json!({"token": &*person.token, "v": 2});
    wire.say(&format!("40{auth}")).await;
    assert!(wire.text().await.starts_with("40{\"sid\":\""));
    wire
}
