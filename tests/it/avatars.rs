//! The pictures of accounts and rooms that the server keeps.

use hyper::Response;
use hyper::body::Bytes;
use serde_json::{Value, json};

use crate::files::{code, done, in_folder, is_gone, open, place, register, said, tus, upload};
use crate::foreign;
use crate::program::Running;
use crate::support::{Person, Remote, TestServer};

const MINE: &str = "/api/auth/me/avatar";
/// Pictures of 4 by 3 pixels, and what is none.
const WEBP: &[u8] = b"RIFF\x12\0\0\0WEBPVP8L\x06\0\0\0\x2f\x03\x80\0\0\x09";
const GIF: &[u8] = b"GIF89a\x04\0\x03\0\0\0\0\x3b";

/// A photograph that says where it was taken.
fn photo() -> Vec<u8> {
    let segment = |kind: u8, body: &[u8]| {
        let length = u16::try_from(body.len() + 2).unwrap().to_be_bytes();
        [&[0xff, kind], &length[..], body].concat()
    };
    [
        &[0xff, 0xd8][..],
        &segment(0xe1, b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0GPS 52.5200N"),
        &segment(0xc0, &[8, 0, 3, 0, 4, 1, 1, 0x11, 0]),
        &segment(0xda, &[1, 1, 0, 0, 63, 0]),
        b"pixels",
        &[0xff, 0xd9],
    ]
    .concat()
}

async fn put(server: &Remote, person: &Person, path: &str, picture: &[u8]) -> Response<Bytes> {
    let picture = Bytes::copy_from_slice(picture);
    tus(server, person, ("PUT", path), &[], picture).await
}

/// Puts a picture that is taken; gives its URL.
async fn taken(server: &Remote, person: &Person, path: &str, picture: &[u8]) -> String {
    let answer = put(server, person, path, picture).await;
    assert_eq!(answer.status(), 200, "{answer:?}");
    let row: Value = serde_json::from_slice(answer.body()).unwrap();
    row["data"]["avatar"].as_str().unwrap().to_owned()
}

/// The file behind a picture's URL.
fn id(url: &str) -> Value {
    json!(url.strip_prefix("api/avatars/").unwrap())
}

async fn room_of(server: &Remote, person: &Person, member: &Person) -> String {
    let wish = json!({"name": "Ops", "member_ids": [member.id]}).to_string();
    let token = Some(&*person.token);
    let made = server.send("POST", "/api/rooms", token, &wish).await;
    format!("/api/rooms/{}", made.json()["data"]["id"])
}

#[tokio::test]
async fn a_picture_is_shown_without_a_token_until_another_takes_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let files = folder.path().join("files");
    let server = TestServer::with(in_folder(folder.path())).await;
    let (ada, bob) = server.two_people().await;
    let mut hers = server.connect_second(&ada).await;
    let mut his = server.connect_second(&bob).await;
    let message = json!({"receiver_id": bob.id, "content": "hi"});
    hers.call(1, "send_message", message).await;
    his.expect("receive_message").await;
    let first = taken(&server, &ada, MINE, &photo()).await;
    assert_eq!(his.expect("user_changed").await["avatar"], first);
    let shown = open(&server, &first).await;
    assert_eq!(
        (said(&shown, "content-type"), said(&shown, "cache-control")),
        ("image/jpeg", "private, max-age=31536000, immutable")
    );
    let has = |text: &[u8]| shown.body().windows(text.len()).any(|part| part == text);
    assert!(has(b"pixels") && !has(b"GPS"));
    // It is no file that a message may name, or that its sender may forget.
    let upload = format!("/api/uploads/{}", id(&first).as_str().unwrap());
    let answer = tus(&server, &ada, ("DELETE", &upload), &[], "").await;
    assert_eq!(answer.status(), 404);
    let message = json!({"receiver_id": bob.id, "attachments": [id(&first)]});
    let refused = hers.call(2, "send_message", message).await.0;
    assert_eq!(refused["error"]["code"], "not_found", "{refused}");

    let second = taken(&server, &ada, MINE, WEBP).await;
    assert_ne!(first, second);
    assert_eq!(his.expect("user_changed").await["avatar"], second);
    assert_eq!(&open(&server, &second).await.body()[..], WEBP);
    assert_eq!(code(&open(&server, &first).await), "not_found");
    is_gone(&place(&files, &id(&first))).await;
    server.stop().await;
    // A start keeps what is shown.
    let server = TestServer::with(in_folder(folder.path())).await;
    let me = server.get("/api/auth/me", &ada.token).await;
    assert_eq!(me["data"]["avatar"], second);
    assert_eq!(&open(&server, &second).await.body()[..], WEBP);
    let none = r#"{"avatar":null}"#;
    let token = Some(&*ada.token);
    server.send("PATCH", "/api/auth/me", token, none).await;
    is_gone(&place(&files, &id(&second))).await;
    // Who leaves leaves none.
    let third = taken(&server, &ada, MINE, WEBP).await;
    let leave = r#"{"current_password":"password1"}"#;
    let left = server.send("DELETE", "/api/auth/me", token, leave).await;
    assert!(left.status.is_success(), "{}", left.body);
    is_gone(&place(&files, &id(&third))).await;
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_small_picture_is_refused_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let files = folder.path().join("files");
    let server = TestServer::with(in_folder(folder.path())).await;
    let (ada, bob) = server.two_people().await;
    let room = room_of(&server, &ada, &bob).await + "/avatar";
    let large = [&photo()[..], &vec![0; 64 << 10]].concat();
    let cases: [(&[u8], u16, &str); 5] = [
        (b"", 415, "unsupported_type"),
        (GIF, 415, "unsupported_type"),
        (
            b"<svg xmlns='http://www.w3.org/2000/svg'>",
            415,
            "unsupported_type",
        ),
        // It begins as a picture, and is none.
        (&photo()[..20], 415, "unsupported_type"),
        (&large, 413, "file_too_large"),
    ];
    for (bytes, status, refused) in cases {
        for path in [MINE, &room] {
            let answer = put(&server, &ada, path, bytes).await;
            assert_eq!(
                (answer.status().as_u16(), &*code(&answer)),
                (status, refused)
            );
        }
    }
    let me = server.get("/api/auth/me", &ada.token).await;
    assert_eq!(me["data"]["avatar"], Value::Null);
    // None by another's file, and none by a text.
    let url = json!({"avatar": format!("api/avatars/f{}", "0".repeat(32))}).to_string();
    let token = Some(&*ada.token);
    let refused = server.send("PATCH", "/api/auth/me", token, &url).await;
    assert_eq!(refused.code(), "invalid_payload");
    let file = upload(&server, &ada, "a.gif", GIF).await;
    let sent = format!("api/avatars/{}", file["id"].as_str().unwrap());
    assert_eq!(code(&open(&server, &sent).await), "not_found");
    let held = |files: &std::path::Path| {
        let folders = std::fs::read_dir(files).unwrap().filter_map(Result::ok);
        let within = folders.filter_map(|folder| std::fs::read_dir(folder.path()).ok());
        within.map(Iterator::count).sum::<usize>()
    };
    let settled = async {
        while held(&files) > 1 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    crate::support::soon(settled).await;
    server.stop().await;
}

#[tokio::test]
async fn the_picture_of_a_room_is_its_admins() {
    let folder = tempfile::tempdir().unwrap();
    let files = folder.path().join("files");
    let server = TestServer::with(in_folder(folder.path())).await;
    let (ada, bob) = server.two_people().await;
    let carl = server.register("carl").await;
    let room = room_of(&server, &ada, &bob).await;
    let path = format!("{room}/avatar");
    let mut his = server.connect_second(&bob).await;
    let first = taken(&server, &ada, &path, WEBP).await;
    let told = his.expect("room_changed").await;
    assert_eq!(told["room"]["avatar"], first, "{told}");
    for (person, refused) in [(&bob, "forbidden"), (&carl, "not_found")] {
        let answer = put(&server, person, &path, WEBP).await;
        assert_eq!(code(&answer), refused);
    }
    let row = server.get(&room, &bob.token).await;
    assert_eq!(row["data"]["avatar"], first);
    let second = taken(&server, &ada, &path, &photo()).await;
    is_gone(&place(&files, &id(&first))).await;
    assert_eq!(open(&server, &second).await.status(), 200);
    // A room that is erased loses it, and so does one whose last member leaves the server.
    let erase = format!("{room}?erase=true");
    let erased = server.send("DELETE", &erase, Some(&ada.token), "").await;
    assert!(erased.status.is_success(), "{}", erased.body);
    is_gone(&place(&files, &id(&second))).await;
    let alone = room_of(&server, &carl, &carl).await + "/avatar";
    let third = taken(&server, &carl, &alone, WEBP).await;
    let leave = r#"{"current_password":"password1"}"#;
    let left = server
        .send("DELETE", "/api/auth/me", Some(&carl.token), leave)
        .await;
    assert!(left.status.is_success(), "{}", left.body);
    is_gone(&place(&files, &id(&third))).await;
    server.stop().await;
    assert!(
        done(&folder.path().join("chatd.redb"), &["check"])
            .await
            .contains("is sound")
    );
}

#[tokio::test]
async fn the_picture_of_an_apps_user_is_its_tokens_word() {
    let server = TestServer::with(foreign::with(true)).await;
    let url = "https://example.org/a.png";
    let ada = foreign::token(29, json!({"name": "Ada", "picture": url}));
    let refused = put(&server, &ada, MINE, WEBP).await;
    assert_eq!(
        (refused.status().as_u16(), &*code(&refused)),
        (403, "forbidden")
    );
    let me = server.get("/api/auth/me", &ada.token).await;
    assert_eq!(me["data"]["avatar"], url);
    server.stop().await;
}

#[tokio::test]
async fn backups_checks_and_exports_know_the_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let text = |name: &str| path(name).to_str().unwrap().to_owned();
    let data = path("chatd.redb");
    let running = Running::on(&data, &[], &[]).await;
    let server = &running.remote;
    let (ada, bob) = (register(server, "ada").await, register(server, "bob").await);
    let room = room_of(server, &ada, &bob).await + "/avatar";
    let hers = taken(server, &ada, MINE, WEBP).await;
    let early = taken(server, &ada, &room, WEBP).await;
    let late = taken(server, &ada, &room, &photo()).await;
    // The server's own hand describes the room last, and its import left the picture out.
    done(&data, &["user", "promote", "ada"]).await;
    let of_admins = room.replace("/api/", "/api/admin/").replace("/avatar", "");
    let days = r#"{"retention_days":30}"#;
    let kept = server
        .send("PATCH", &of_admins, Some(&ada.token), days)
        .await;
    assert!(kept.status.is_success(), "{}", kept.body);
    let copy = done(&data, &["backup", &text("copy.redb")]).await;
    assert!(copy.contains("copy.redb.files: 2 files"), "{copy}");
    let other = taken(server, &ada, MINE, &photo()).await;
    is_gone(&place(&path("chatd.redb.files"), &id(&hers))).await;
    running.stop().await;
    assert!(done(&data, &["check"]).await.contains("is sound"));

    done(&data, &["restore", &text("copy.redb")]).await;
    let lie = |folder: &str, url: &str| place(&path(folder), &id(url)).exists();
    assert!(lie("chatd.redb.files", &hers) && lie("chatd.redb.files", &late));
    assert!(done(&data, &["check"]).await.contains("is sound"));
    done(&data, &["export", &text("all.jsonl")]).await;
    let lines = |name| std::fs::read_to_string(path(name)).unwrap();
    assert!(lines("all.jsonl").contains(&hers) && !lines("all.jsonl").contains(&other));
    let second = path("other.redb");
    done(&second, &["import", &text("all.jsonl")]).await;
    assert!(lie("other.redb.files", &hers) && lie("other.redb.files", &late));
    assert!(!lie("other.redb.files", &early));
    assert!(done(&second, &["check"]).await.contains("is sound"));
    done(&second, &["export", &text("again.jsonl")]).await;
    assert_eq!(lines("again.jsonl"), {
        // The room's earlier picture lies nowhere, so its line goes without.
        let all = lines("all.jsonl");
        all.replace(&format!(r#""avatar":"{early}","#), "")
    });
    let running = Running::on(&second, &[], &[]).await;
    assert_eq!(&open(&running.remote, &hers).await.body()[..], WEBP);
    running.stop().await;
}
