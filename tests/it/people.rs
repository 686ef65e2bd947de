//! Who finds, reaches and reports whom: blocks, first contact, the directory, reports.

use chatd::chat::Rules;
use chatd::config::Config;
use chatd::model::{Directory, FirstContact};
use chatd::store::{Location, maintain};
use serde_json::{Value, json};

use crate::rooms::{ask, room_of, tried};
use crate::search::search;
use crate::support::{Person, Remote, TestServer, Wire, config};

fn rules(directory: Directory, first_contact: FirstContact) -> Config {
    Config {
        rules: Rules {
            directory,
            first_contact,
            ..Rules::default()
        },
        ..config()
    }
}

async fn block(server: &TestServer, by: &Person, whom: &Person) {
    let path = format!("/api/blocks/{}", whom.id);
    ask(server, by, "PUT", &path, Value::Null).await;
}

async fn unblock(server: &TestServer, by: &Person, whom: &Person) {
    let path = format!("/api/blocks/{}", whom.id);
    ask(server, by, "DELETE", &path, Value::Null).await;
}

/// Waits until the last socket of a person has closed, as another one sees it.
async fn until_gone(server: &TestServer, who: &Person, seen_by: &Person) {
    let path = format!("/api/users/{}", who.id);
    while server.get(&path, &seen_by.token).await["data"]["online"] == true {
        tokio::task::yield_now().await;
    }
}

/// The next event of this name.
async fn hears(wire: &mut Wire, name: &str) -> Value {
    loop {
        let mut event = wire.event().await;
        if event[0] == name {
            return event[1].take();
        }
    }
}

async fn send(wire: &mut Wire, to: u64, content: &str) -> Value {
    let message = json!({"receiver_id": to, "content": content});
    wire.call(1, "send_message", message).await.0
}

/// What a person is told who may not write to another, by each way to do so.
async fn refusals(server: &TestServer, by: &Person, to: &Person) -> Vec<(String, u16, String)> {
    let mut told = Vec::new();
    let mut first = server.connect(by).await;
    let mut second = server.connect_second(by).await;
    for (version, wire) in [(1, &mut first), (2, &mut second)] {
        for (event, payload) in [
            (
                "send_message",
                json!({"receiver_id": to.id, "content": "Halo!"}),
            ),
            (
                "send_message",
                json!({"receiver_id": to.id, "content": "Halo!", "client_id": "c"}),
            ),
            ("typing", json!({"receiver_id": to.id, "is_typing": true})),
        ] {
            let (ack, _) = wire.call(3, event, payload).await;
            told.push((format!("{event} {version}"), 0, ack.to_string()));
        }
    }
    let room = room_of(server, &[by], json!({})).await;
    for (method, path, body) in [
        (
            "POST",
            "/api/rooms".to_owned(),
            json!({"name": "x", "member_ids": [to.id]}),
        ),
        ("PUT", format!("/api/rooms/{room}/members"), json!([to.id])),
        (
            "PUT",
            format!("/api/rooms/{room}/members/{}", to.id),
            json!({}),
        ),
    ] {
        let reply = tried(server, by, method, &path, body).await;
        let kind = path.split('/').nth(4).unwrap_or_default().to_owned();
        told.push((
            format!("{method} {kind}"),
            reply.status.as_u16(),
            reply.body,
        ));
    }
    told
}

#[tokio::test]
async fn a_block_is_told_in_the_same_bytes_as_that_strangers_may_not_write() {
    let blocked = {
        let server = TestServer::start().await;
        let (ada, bob) = server.two_people().await;
        block(&server, &ada, &bob).await;
        refusals(&server, &bob, &ada).await
    };
    for first_contact in [FirstContact::Shared, FirstContact::None] {
        let server = TestServer::with(rules(Directory::Everyone, first_contact)).await;
        let (ada, bob) = server.two_people().await;
        assert_eq!(
            refusals(&server, &bob, &ada).await,
            blocked,
            "{first_contact:?}"
        );
        // And with a block beside it.
        block(&server, &ada, &bob).await;
        assert_eq!(
            refusals(&server, &bob, &ada).await,
            blocked,
            "{first_contact:?}"
        );
    }
    for (way, status, told) in blocked {
        assert!(told.contains(r#""code":"not_accepted""#), "{way}: {told}");
        assert!(status == 0 || status == 403, "{way}");
    }
}

#[tokio::test]
async fn who_is_blocked_changes_nothing_but_may_take_back_what_they_said() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let (mut first, mut hers) = (
        server.connect_second(&bob).await,
        server.connect_second(&ada).await,
    );
    let message = json!({"receiver_id": ada.id, "content": "one", "client_id": "c1"});
    let (sent, _) = first.call(1, "send_message", message.clone()).await;
    let id = sent["data"]["id"].as_u64().unwrap();
    let mine = send(&mut hers, bob.id, "two").await["data"]["id"]
        .as_u64()
        .unwrap();
    block(&server, &ada, &bob).await;
    for (event, payload) in [
        (
            "edit_message",
            json!({"message_id": id, "content": "other"}),
        ),
        (
            "react",
            json!({"message_id": mine, "emoji": "👍", "on": true}),
        ),
        (
            "send_message",
            json!({"receiver_id": ada.id, "content": "three"}),
        ),
    ] {
        let (ack, _) = first.call(2, event, payload).await;
        assert_eq!(ack["error"]["code"], "not_accepted", "{event}");
    }
    // What was stored before is not sent a second time, and not refused.
    let (again, _) = first.call(3, "send_message", message).await;
    assert_eq!(again["data"]["id"], id);
    let (gone, _) = first
        .call(4, "delete_message", json!({"message_id": id}))
        .await;
    assert_eq!(gone["success"], true);
    // Who blocks must unblock before writing.
    for (event, payload) in [
        (
            "send_message",
            json!({"receiver_id": bob.id, "content": "x"}),
        ),
        ("edit_message", json!({"message_id": mine, "content": "x"})),
        ("typing", json!({"receiver_id": bob.id, "is_typing": true})),
    ] {
        let (ack, _) = hers.call(5, event, payload).await;
        assert_eq!(ack["error"]["code"], "forbidden", "{event}");
    }
    let path = format!("/api/blocks/{}", bob.id);
    for _ in 0..2 {
        ask(&server, &ada, "DELETE", &path, Value::Null).await;
    }
    assert_eq!(send(&mut first, ada.id, "four").await["success"], true);
    let own = format!("/api/blocks/{}", ada.id);
    assert_eq!(
        tried(&server, &ada, "PUT", &own, Value::Null).await.code(),
        "invalid_receiver"
    );
}

#[tokio::test]
async fn a_block_reaches_ones_own_devices_live_and_later_and_nobody_else() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let mut old = server.connect(&ada).await;
    let mut mine = server.connect_second(&ada).await;
    let mut his = server.connect_second(&bob).await;
    let since = server.get("/api/updates", &ada.token).await["meta"]["cursor"].clone();
    block(&server, &ada, &bob).await;
    block(&server, &ada, &bob).await;
    let expected = json!({"user_id": bob.id, "blocked": true});
    assert_eq!(mine.expect("block_changed").await, expected);
    let listed = server.get("/api/blocks", &ada.token).await;
    assert_eq!(listed["data"][0]["user_id"], bob.id);
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
    let path = format!("/api/updates?since={}", since.as_str().unwrap());
    let missed = server.get(&path, &ada.token).await;
    assert_eq!(
        missed["data"],
        json!([{"event": "block_changed", "data": expected}])
    );
    ask(
        &server,
        &ada,
        "DELETE",
        &format!("/api/blocks/{}", bob.id),
        Value::Null,
    )
    .await;
    assert_eq!(mine.expect("block_changed").await["blocked"], false);
    // The others heard nothing: what they hear next is what is said next.
    send(&mut his, ada.id, "hi").await;
    assert_eq!(old.expect("receive_message").await["content"], "hi");
    assert!(
        server.get("/api/blocks", &bob.token).await["data"]
            .as_array()
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn who_is_blocked_sees_neither_presence_nor_typing_nor_reading() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let mut his = server.connect_second(&bob).await;
    let mut mine = server.connect_second(&ada).await;
    let id = send(&mut his, ada.id, "hi").await["data"]["id"].clone();
    mine.expect("receive_message").await;
    let watch = json!({"user_ids": [ada.id]});
    let (seen, _) = his.call(2, "presence_subscribe", watch.clone()).await;
    assert_eq!(seen["data"]["users"][0]["online"], true);
    block(&server, &ada, &bob).await;
    let gone = json!({"user_id": ada.id, "online": false, "last_seen": null});
    assert_eq!(his.expect("presence").await, gone);
    let (seen, _) = his.call(3, "presence_subscribe", watch).await;
    assert_eq!(seen["data"]["users"][0], gone);
    for path in [
        format!("/api/users/{}", ada.id),
        format!("/api/users?ids={}", ada.id),
        "/api/users?query=ada".to_owned(),
        "/api/inbox".to_owned(),
    ] {
        let shown = server.get(&path, &bob.token).await["data"].to_string();
        assert!(
            shown.contains(r#""online":false"#) && shown.contains(r#""last_seen":null"#),
            "{shown}"
        );
    }
    // What the blocker does in a room and in the chat is not told to them either.
    let room = room_of(&server, &[&ada], json!({"kind": "open"})).await;
    ask(
        &server,
        &bob,
        "POST",
        &format!("/api/rooms/{room}/join"),
        Value::Null,
    )
    .await;
    his.expect("room_member").await;
    mine.call(4, "typing", json!({"room_id": room, "is_typing": true}))
        .await;
    mine.call(5, "mark_as_read", json!({"message_id": id}))
        .await;
    drop(mine);
    // The next that they hear is this.
    let (_, before) = his
        .call(6, "typing", json!({"room_id": room, "is_typing": true}))
        .await;
    assert_eq!(before, Vec::<Value>::new());
}

/// Who watched a person by whom they were blocked for a moment heard of them no more, ever.
#[tokio::test]
async fn who_is_blocked_no_more_hears_again_of_coming_and_going() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let carl = server.register("carl").await;
    let mut his = server.connect_second(&bob).await;
    let mut mine = server.connect_second(&ada).await;
    let watch = json!({"user_ids": [ada.id, bob.id]});
    let (seen, _) = his.call(1, "presence_subscribe", watch).await;
    assert_eq!(seen["data"]["users"][0]["online"], true);
    let heard = |online: bool| json!({"user_id": ada.id, "online": online, "last_seen": null});
    for _ in 0..2 {
        block(&server, &ada, &bob).await;
        mine.expect("block_changed").await;
        assert_eq!(his.expect("presence").await, heard(false));
        unblock(&server, &ada, &bob).await;
        mine.expect("block_changed").await;
        assert_eq!(his.expect("presence").await, heard(true));
    }
    // What they do while they are apart is heard once they are not.
    block(&server, &ada, &bob).await;
    assert_eq!(his.expect("presence").await, heard(false));
    drop(mine);
    until_gone(&server, &ada, &carl).await;
    unblock(&server, &ada, &bob).await;
    let seen = his.expect("presence").await;
    assert_eq!(seen["online"], false);
    assert!(seen["last_seen"].is_string(), "{seen}");
    let _mine = server.connect_second(&ada).await;
    assert_eq!(his.expect("presence").await, heard(true));
    server.stop().await;
}

/// In the lists of who reacted and of who is blocked they looked like anybody.
#[tokio::test]
async fn bots_and_who_is_gone_are_known_as_such_wherever_people_are_listed() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    let (ada, bob) = server.two_people().await;
    let wish = json!({"username": "clerk"});
    let made = ask(&server, &admin, "POST", "/api/admin/bots", wish).await;
    let clerk = Person {
        id: made["data"]["id"].as_u64().unwrap(),
        token: made["data"]["key"].as_str().unwrap().into(),
    };
    let room = room_of(&server, &[&ada, &bob, &clerk], json!({})).await;
    let mut hers = server.connect_second(&ada).await;
    let said = json!({"room_id": room, "content": "x"});
    let id = hers.call(1, "send_message", said).await.0["data"]["id"].clone();
    for person in [&clerk, &bob, &ada] {
        let mut wire = server.connect_second(person).await;
        let reaction = json!({"message_id": id, "emoji": "👍", "on": true});
        wire.call(1, "react", reaction).await;
        if person.id != ada.id {
            block(&server, &ada, person).await;
        }
    }
    let body = json!({"current_password": "password1"});
    ask(&server, &bob, "DELETE", "/api/auth/me", body).await;

    let kind = |row: &Value| json!([row["user_id"], row["is_bot"], row["deleted"]]);
    let (bot, gone) = (json!([clerk.id, true, null]), json!([bob.id, null, true]));
    for (path, mut expected) in [
        (
            format!("/api/messages/{id}/reactions"),
            vec![bot.clone(), gone.clone(), json!([ada.id, null, null])],
        ),
        ("/api/blocks".to_owned(), vec![bot, gone]),
    ] {
        let listed = server.get(&path, &ada.token).await;
        let mut kinds: Vec<_> = listed["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(kind)
            .collect();
        for list in [&mut kinds, &mut expected] {
            list.sort_by_key(|row| row[0].as_u64());
        }
        assert_eq!(kinds, expected, "{path}");
    }
    server.stop().await;
}

/// Who saw a person typing when one of the two blocked the other saw them typing for ever.
#[tokio::test]
async fn who_is_apart_from_one_who_was_typing_sees_that_they_have_stopped() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let carl = server.register("carl").await;
    let mut his = server.connect_second(&bob).await;
    let mut mine = server.connect_second(&ada).await;
    let types =
        |user: &Person, is_typing: bool| json!({"user_id": user.id, "is_typing": is_typing});
    let typing = |user: &Person| json!({"receiver_id": user.id, "is_typing": true});
    mine.call(1, "typing", typing(&bob)).await;
    assert_eq!(his.expect("typing").await, types(&ada, true));
    his.call(1, "typing", typing(&ada)).await;
    assert_eq!(mine.expect("typing").await, types(&bob, true));
    block(&server, &ada, &bob).await;
    assert_eq!(his.expect("typing").await, types(&ada, false));
    mine.expect("block_changed").await;
    assert_eq!(mine.expect("typing").await, types(&bob, false));
    // Once, and not again when they are gone.
    drop(mine);
    until_gone(&server, &ada, &carl).await;
    let (_, before) = his.call(2, "typing", typing(&ada)).await;
    assert_eq!(before, Vec::<Value>::new());
    server.stop().await;
}

/// The same in a room, where those who had been blocked before hear neither.
#[tokio::test]
async fn who_is_blocked_by_one_who_was_typing_in_a_room_sees_that_they_have_stopped() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let carl = server.register("carl").await;
    let room = room_of(&server, &[&ada, &bob, &carl], json!({})).await;
    block(&server, &ada, &carl).await;
    let mut mine = server.connect_second(&ada).await;
    let mut his = server.connect_second(&bob).await;
    let mut third = server.connect_second(&carl).await;
    let typing = |is_typing: bool| json!({"room_id": room, "is_typing": is_typing});
    let heard =
        |is_typing: bool| json!({"room_id": room, "user_id": ada.id, "is_typing": is_typing});
    mine.call(1, "typing", typing(true)).await;
    assert_eq!(his.expect("room_typing").await, heard(true));
    block(&server, &ada, &bob).await;
    assert_eq!(his.expect("room_typing").await, heard(false));
    mine.expect("block_changed").await;
    for is_typing in [true, false] {
        mine.call(1, "typing", typing(is_typing)).await;
    }
    for wire in [&mut his, &mut third] {
        let view = json!({"room_id": room, "on": true});
        let (_, before) = wire.call(1, "in_view", view).await;
        assert_eq!(before, Vec::<Value>::new());
    }
    server.stop().await;
}

/// Who left the last chat in common, or the server, while they were typing, typed for ever.
#[tokio::test]
async fn who_saw_somebody_typing_sees_the_end_of_it_whatever_becomes_of_the_two() {
    let server = TestServer::with(rules(Directory::Shared, FirstContact::Everyone)).await;
    let (ada, bob) = server.two_people().await;
    let carl = server.register("carl").await;
    let dora = server.register("dora").await;
    let room = room_of(&server, &[&ada, &bob, &carl, &dora], json!({})).await;
    let mut his = server.connect_second(&bob).await;
    let typing = |is_typing: bool| json!({"receiver_id": bob.id, "is_typing": is_typing});
    for who in [&carl, &dora] {
        let mut wire = server.connect_second(who).await;
        wire.call(1, "typing", typing(true)).await;
        let types = |is_typing: bool| json!({"user_id": who.id, "is_typing": is_typing});
        assert_eq!(hears(&mut his, "typing").await, types(true));
        if who.id == carl.id {
            let path = format!("/api/rooms/{room}/members/{}", carl.id);
            ask(&server, &ada, "DELETE", &path, Value::Null).await;
            wire.call(2, "typing", typing(false)).await;
        } else {
            let body = json!({"current_password": "password1"});
            ask(&server, &dora, "DELETE", "/api/auth/me", body).await;
        }
        assert_eq!(hears(&mut his, "typing").await, types(false));
    }
    server.stop().await;
}

/// The marks of one who has blocked somebody were kept from them live, and stood in every history.
#[tokio::test]
async fn who_is_blocked_sees_by_no_route_what_was_read() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let mut his = server.connect_second(&bob).await;
    let mut mine = server.connect_second(&ada).await;
    let id = send(&mut his, ada.id, "hi").await["data"]["id"].clone();
    let history = format!("/api/chats/history/{}", ada.id);
    let shown = async |is_read: bool| {
        for path in [
            history.clone(),
            format!("{history}?around={id}"),
            format!("/api/messages/{id}"),
            "/api/inbox".to_owned(),
            format!("/api/search?sender_id={}", bob.id),
        ] {
            let shown = server.get(&path, &bob.token).await["data"].to_string();
            let wanted = format!(r#""is_read":{is_read}"#);
            assert!(shown.contains(&wanted), "{path}: {shown}");
        }
    };
    search(&server, &bob, "q=hi", id.as_u64().unwrap()).await;
    block(&server, &ada, &bob).await;
    let mark = json!({"message_id": id});
    assert_eq!(mine.call(1, "mark_as_read", mark).await.0["success"], true);
    shown(false).await;
    let path = format!("/api/blocks/{}", bob.id);
    ask(&server, &ada, "DELETE", &path, Value::Null).await;
    shown(true).await;
    server.stop().await;
}

/// The ids of one who is there and of one who is not, and all that may name them.
const THERE: u64 = 777_001;
const ABSENT: u64 = 777_002;

/// Asks by every route of the documents, with each way to name somebody, and gives the answers
/// without the id.
async fn ask_everything(
    server: &TestServer,
    person: &Person,
    routes: &[(String, String)],
    (id, name): (u64, &str),
) -> Vec<(String, u16, String)> {
    // Some queries are of no use to a route, and not in its document.
    let plain = Remote::at(server.address);
    let mut told = Vec::new();
    let bodies = [
        Value::Null,
        json!({}),
        json!({"user_id": id, "reason": "x", "name": "x", "member_ids": [id], "closed": true}),
        json!([id]),
        json!({"role": "admin", "notify": "none"}),
    ];
    for (method, path) in routes {
        let named = path
            .split('/')
            .map(|part| {
                if part.starts_with('{') {
                    id.to_string()
                } else {
                    part.to_owned()
                }
            })
            .collect::<Vec<_>>()
            .join("/");
        let queries = [
            String::new(),
            format!("?ids={id}"),
            format!("?user_id={id}&q=hi"),
            format!("?subjects={id}"),
            format!("?query={}", &name[..4]),
        ];
        for query in queries
            .iter()
            .filter(|query| query.is_empty() || method == "GET")
        {
            for body in bodies
                .iter()
                .filter(|body| method != "GET" || body.is_null())
            {
                let target = format!("{named}{query}");
                let body = Some(body).filter(|body| !body.is_null());
                let body = body.map(Value::to_string).unwrap_or_default();
                let token = Some(&*person.token);
                let reply = plain.send(method, &target, token, &body).await;
                let body = reply.body.replace(&id.to_string(), "ID");
                told.push((
                    format!("{method} {path} {query}"),
                    reply.status.as_u16(),
                    body,
                ));
            }
        }
    }
    told
}

#[tokio::test]
async fn a_stranger_learns_by_no_route_whether_there_is_somebody() {
    for directory in [Directory::Shared, Directory::Exact, Directory::None] {
        let server = TestServer::with(rules(directory, FirstContact::Shared)).await;
        let root = server.admin().await;
        let ada = server.register("ada").await;
        let path = format!("/api/admin/users/{THERE}");
        ask(
            &server,
            &root,
            "PUT",
            &path,
            json!({"username": "zacharias"}),
        )
        .await;
        let documents = server.get("/api/openapi.json", &ada.token).await;
        let mut routes = Vec::new();
        for (path, methods) in documents["paths"].as_object().unwrap() {
            for method in methods.as_object().unwrap().keys() {
                let method = method.to_uppercase();
                // What ends the caller's own token, and what is not asked for as JSON.
                let ends = path.starts_with("/api/auth") || path.starts_with("/api/uploads");
                if path.starts_with("/api/") && !ends && method != "PARAMETERS" {
                    routes.push((method, path.clone()));
                }
            }
        }
        assert!(routes.len() > 30, "{}", routes.len());
        let there = ask_everything(&server, &ada, &routes, (THERE, "zacharias")).await;
        let absent = ask_everything(&server, &ada, &routes, (ABSENT, "yolander")).await;
        for ((route, status, body), (_, other, elsewhere)) in there.iter().zip(&absent) {
            let is_list_of_names = route.contains("?query=");
            assert_eq!(status, other, "{directory:?} {route}");
            assert!(
                body == elsewhere || is_list_of_names && body.contains("[]"),
                "{directory:?} {route}: {body} / {elsewhere}"
            );
        }
        // A client id that stands for another message tells nothing either.
        let room = room_of(&server, &[&ada], json!({})).await;
        let used = json!({"room_id": room, "content": "x", "client_id": "used"});
        let mut hers = server.connect_second(&ada).await;
        assert_eq!(hers.call(1, "send_message", used).await.0["success"], true);
        for version in [1, 2] {
            let mut answers = Vec::new();
            for id in [THERE, ABSENT] {
                let auth = json!({"token": &*ada.token, "v": version});
                let mut wire = server.connect_with(&auth).await;
                let mut told = Vec::new();
                for (event, payload) in [
                    ("send_message", json!({"receiver_id": id, "content": "x"})),
                    (
                        "send_message",
                        json!({"receiver_id": id, "content": "x", "client_id": "used"}),
                    ),
                    ("typing", json!({"receiver_id": id, "is_typing": true})),
                    ("mark_chat_as_read", json!({"user_id": id})),
                    ("presence_subscribe", json!({"user_ids": [id]})),
                    ("in_view", json!({"receiver_id": id, "on": true})),
                ] {
                    let (ack, _) = wire.call(7, event, payload).await;
                    told.push(ack.to_string().replace(&id.to_string(), "ID"));
                }
                answers.push(told);
            }
            assert_eq!(answers[0], answers[1], "{directory:?} {version}");
        }
    }
}

#[tokio::test]
async fn who_leaves_the_last_chat_in_common_is_seen_no_more() {
    let server = TestServer::with(rules(Directory::Shared, FirstContact::Everyone)).await;
    let (ada, bob) = server.two_people().await;
    let room = room_of(&server, &[&ada, &bob], json!({})).await;
    let (mut hers, _his) = (
        server.connect_second(&ada).await,
        server.connect_second(&bob).await,
    );
    let watch = json!({"user_ids": [bob.id]});
    let (seen, _) = hers.call(1, "presence_subscribe", watch).await;
    assert_eq!(seen["data"]["users"][0]["online"], true);
    let path = format!("/api/rooms/{room}/leave");
    ask(&server, &bob, "POST", &path, Value::Null).await;
    let gone = json!({"user_id": bob.id, "online": false, "last_seen": null});
    // Beside it she hears that he left, before or after.
    let seen = hears(&mut hers, "presence").await;
    assert_eq!(seen, gone);
    // Until there is one again.
    let path = format!("/api/rooms/{room}/members/{}", bob.id);
    ask(&server, &ada, "PUT", &path, Value::Null).await;
    let seen = hears(&mut hers, "presence").await;
    assert_eq!(seen["online"], true);
    server.stop().await;
}

#[tokio::test]
async fn whom_one_finds_is_as_the_operator_says_and_those_of_ones_chats_are_always_seen() {
    for (directory, by_part, by_name) in [
        (Directory::Everyone, 1, 1),
        (Directory::Shared, 0, 0),
        (Directory::Exact, 0, 1),
        (Directory::None, 0, 0),
    ] {
        let server = TestServer::with(rules(directory, FirstContact::Everyone)).await;
        let (ada, bob) = server.two_people().await;
        let about = server.send("GET", "/api/server", None, "").await;
        assert_eq!(about.json()["data"]["directory"], directory.as_str());
        let found = async |query: &str| {
            let path = format!("/api/users?query={query}");
            let found = server.get(&path, &ada.token).await;
            found["data"].as_array().unwrap().len()
        };
        assert_eq!(
            (found("bo").await, found("BOB").await),
            (by_part, by_name),
            "{directory:?}"
        );
        let path = format!("/api/users/{}", bob.id);
        let stranger = tried(&server, &ada, "GET", &path, Value::Null).await;
        let is_seen = directory == Directory::Everyone;
        assert_eq!(
            stranger.status,
            if is_seen { 200 } else { 404 },
            "{directory:?}"
        );
        let mut wire = server.connect(&ada).await;
        assert_eq!(send(&mut wire, bob.id, "hi").await["success"], true);
        ask(&server, &ada, "GET", &path, Value::Null).await;
        let part = if directory == Directory::Shared {
            1
        } else {
            by_part
        };
        assert_eq!(found("bo").await, part, "{directory:?}");
        let ids = server
            .get(&format!("/api/users?ids={}", bob.id), &ada.token)
            .await;
        assert_eq!(ids["data"].as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn who_shares_a_room_may_begin_where_that_is_enough_and_who_has_begun_goes_on() {
    let server = TestServer::with(rules(Directory::Everyone, FirstContact::Shared)).await;
    let root = server.admin().await;
    let (ada, bob) = server.two_people().await;
    let (mut hers, mut his) = (server.connect(&ada).await, server.connect(&bob).await);
    assert_eq!(
        send(&mut hers, bob.id, "x").await["error"]["code"],
        "not_accepted"
    );
    // An administrator brings them together.
    let room = room_of(&server, &[&root, &ada, &bob], json!({})).await;
    assert_eq!(send(&mut hers, bob.id, "hi").await["success"], true);
    for person in [&ada, &bob] {
        ask(
            &server,
            person,
            "POST",
            &format!("/api/rooms/{room}/leave"),
            Value::Null,
        )
        .await;
    }
    his.expect("receive_message").await;
    assert_eq!(send(&mut his, ada.id, "hello").await["success"], true);
}

#[tokio::test]
async fn a_report_brings_one_message_to_administrators_until_it_is_closed() {
    let server = TestServer::start().await;
    let root = server.admin().await;
    let (ada, bob) = server.two_people().await;
    let carl = server.register("carl").await;
    let mut his = server.connect(&bob).await;
    let id = send(&mut his, ada.id, "rude words").await["data"]["id"].clone();
    let message = json!({"message_id": id, "reason": " it is rude "});
    let first = ask(&server, &ada, "POST", "/api/reports", message.clone()).await;
    let again = ask(&server, &ada, "POST", "/api/reports", message.clone()).await;
    assert_eq!(first, again, "the same is filed once");
    ask(
        &server,
        &carl,
        "POST",
        "/api/reports",
        json!({"user_id": bob.id, "reason": "spam"}),
    )
    .await;
    for (person, body, code) in [
        (&carl, message, "not_found"),
        (
            &bob,
            json!({"message_id": id, "reason": "x"}),
            "invalid_receiver",
        ),
        (
            &ada,
            json!({"user_id": bob.id, "reason": "  "}),
            "invalid_payload",
        ),
        (
            &ada,
            json!({"user_id": bob.id, "reason": "x".repeat(1_001)}),
            "invalid_payload",
        ),
        (&ada, json!({"user_id": 4_242, "reason": "x"}), "not_found"),
        (&ada, json!({"reason": "x"}), "invalid_payload"),
    ] {
        let refused = tried(&server, person, "POST", "/api/reports", body).await;
        assert_eq!(refused.code(), code);
    }
    // Deleted by its sender, the copy stays.
    ask(
        &server,
        &bob,
        "DELETE",
        &format!("/api/messages/{id}"),
        Value::Null,
    )
    .await;
    let listed = server.get("/api/admin/reports", &root.token).await;
    assert_eq!(listed["meta"]["open"], 2);
    let report = &listed["data"][0];
    assert_eq!(report["message"]["content"], "rude words");
    assert_eq!(
        (&report["reason"], &report["by"]["username"]),
        (&json!("it is rude"), &json!("ada"))
    );
    assert_eq!(report["about"]["username"], "bob");
    assert_eq!(listed["data"][1]["message"], Value::Null);
    let path = format!("/api/admin/reports/{}", report["id"]);
    for person in [&ada, &bob] {
        let refused = tried(&server, person, "GET", "/api/admin/reports", Value::Null).await;
        assert_eq!(refused.code(), "forbidden");
        let refused = tried(&server, person, "PATCH", &path, json!({"closed": true})).await;
        assert_eq!(refused.code(), "forbidden");
    }
    ask(&server, &root, "PATCH", &path, json!({"closed": true})).await;
    let gone = tried(&server, &root, "PATCH", &path, json!({"closed": true})).await;
    assert_eq!(gone.code(), "not_found");
    let listed = server.get("/api/admin/reports", &root.token).await;
    assert_eq!(listed["meta"]["open"], 1);
    assert!(!listed.to_string().contains("rude words"));
}

/// Twenty accounts of fifty reports each filled the list, and nobody else could report.
#[tokio::test]
async fn some_who_report_a_lot_lock_nobody_out_and_push_nobody_elses_report_away() {
    let server = TestServer::start().await;
    let root = server.admin().await;
    let (ada, bob) = server.two_people().await;
    let path = "/api/admin/users";
    let known = (0..50).map(|number| json!({"id": 800_000 + number, "name": format!("n{number}")}));
    let known = known.collect::<Vec<_>>();
    ask(&server, &root, "PUT", path, known.into()).await;
    let report = async |by: &Person, about: u64| {
        let body = json!({"user_id": about, "reason": "x"});
        tried(&server, by, "POST", "/api/reports", body).await
    };
    assert_eq!(report(&ada, bob.id).await.status, 201);
    let mut flooders = Vec::new();
    for number in 0..20 {
        let flooder = server.register(&format!("flood{number}")).await;
        for about in 0..50 {
            assert_eq!(
                report(&flooder, 800_000 + about).await.status,
                201,
                "{number} {about}"
            );
        }
        flooders.push(flooder);
    }
    assert_eq!(report(&bob, ada.id).await.status, 201, "the list is full");
    // Their own bound holds on.
    let again = report(&flooders[19], ada.id).await;
    assert_eq!(again.code(), "forbidden", "{}", again.body);
    let (mut filed, mut after) = (Vec::new(), 0);
    loop {
        let path = format!("/api/admin/reports?limit=200&after={after}");
        let page = server.get(&path, &root.token).await;
        assert_eq!(page["meta"]["open"], 1_000);
        for row in page["data"].as_array().unwrap() {
            filed.push(row["by"]["username"].as_str().unwrap().to_owned());
        }
        match page["meta"]["next_after"].as_str() {
            Some(next) => after = next.parse().unwrap(),
            None => break,
        }
    }
    let of = |name: &str| filed.iter().filter(|by| *by == name).count();
    assert_eq!((filed.len(), of("ada"), of("bob")), (1_000, 1, 1));
    // The oldest of those who had most made way.
    assert_eq!((of("flood0"), of("flood1"), of("flood19")), (49, 49, 50));
    server.stop().await;
}

/// In no byte of the file once that was rewritten.
#[tokio::test]
async fn the_copy_of_a_closed_report_is_gone_from_the_file_and_blocks_last() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("chatd.redb");
    let config = Config {
        data: Location::File(data.clone()),
        ..config()
    };
    let server = TestServer::with(config.clone()).await;
    let root = server.admin().await;
    let (ada, bob) = server.two_people().await;
    let mut his = server.connect(&bob).await;
    let secret = "a-text-that-stands-nowhere-else";
    let id = send(&mut his, ada.id, secret).await["data"]["id"].clone();
    let body = json!({"message_id": id, "reason": secret});
    let filed = ask(&server, &ada, "POST", "/api/reports", body).await;
    block(&server, &ada, &bob).await;
    ask(
        &server,
        &bob,
        "DELETE",
        &format!("/api/messages/{id}"),
        Value::Null,
    )
    .await;
    let path = format!("/api/admin/reports/{}", filed["data"]["id"]);
    ask(&server, &root, "PATCH", &path, json!({"closed": true})).await;
    server.stop().await;
    maintain::compact(&data, &mut |_| {}).unwrap();
    let bytes = std::fs::read(&data).unwrap();
    let found = bytes
        .windows(secret.len())
        .any(|window| window == secret.as_bytes());
    assert!(!found, "the copy is in the file still");
    assert_eq!(
        maintain::check(&data, &mut |_| {}).unwrap().findings.len(),
        0
    );

    let mut lines = Vec::new();
    maintain::export(&data, &mut lines, &mut |_| {}).unwrap();
    let lines = String::from_utf8(lines).unwrap();
    assert!(lines.contains(r#""blocked":true"#));
    let server = TestServer::with(config).await;
    let mut his = server.connect(&bob).await;
    assert_eq!(
        send(&mut his, ada.id, "x").await["error"]["code"],
        "not_accepted"
    );
}
