//! What is refused of rooms by their state and by their bounds, and what administrators of the
//! server do with rooms of others.

use chatd::config::Config;
use chatd::limits::Rates;
use serde_json::{Value, json};

use crate::rooms::{ask, room_of, say, tried};
use crate::support::{Person, TestServer, config};

/// Asks, and holds the refusal against its code and a part of its words.
async fn refused(
    server: &TestServer,
    person: &Person,
    (method, path, body): (&str, &str, Value),
    (code, says): (&str, &str),
) {
    let reply = tried(server, person, method, path, body.clone()).await;
    let error = &reply.json()["error"];
    assert_eq!(error["code"], code, "{method} {path} {body}: {error}");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains(says), "{method} {path} {body}: {message}");
}

#[tokio::test]
async fn what_is_asked_wrongly_of_any_route_of_rooms_is_refused_by_the_key() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let room = room_of(&server, &[&ada, &bob], json!({})).await;
    let of = |rest: &str| format!("/api/rooms/{room}{rest}");
    for (method, path, body, says) in [
        (
            "GET",
            "/api/rooms?limit=0".to_owned(),
            Value::Null,
            "limit: ",
        ),
        (
            "GET",
            "/api/rooms?after=x".to_owned(),
            Value::Null,
            "after: ",
        ),
        (
            "GET",
            "/api/rooms?archived=maybe".to_owned(),
            Value::Null,
            "archived: ",
        ),
        (
            "GET",
            "/api/rooms/open?limit=x".to_owned(),
            Value::Null,
            "limit: ",
        ),
        (
            "GET",
            "/api/rooms/open?after=0".to_owned(),
            Value::Null,
            "after: ",
        ),
        ("GET", of("/members?limit=-1"), Value::Null, "limit: "),
        ("GET", of("/members?after=x"), Value::Null, "after: "),
        ("GET", of("/history?limit=x"), Value::Null, "limit: "),
        ("GET", of("/history?before=x"), Value::Null, "before: "),
        ("GET", of("/history?after=-1"), Value::Null, "after: "),
        ("GET", of("/history?around=x"), Value::Null, "around: "),
        (
            "GET",
            of("/history?around=1&before=2"),
            Value::Null,
            "around: ",
        ),
        (
            "GET",
            "/api/rooms/0/history".to_owned(),
            Value::Null,
            "id: ",
        ),
        ("GET", "/api/rooms/0/reads".to_owned(), Value::Null, "id: "),
        (
            "GET",
            "/api/rooms/x/members".to_owned(),
            Value::Null,
            "id: ",
        ),
        ("PUT", "/api/rooms/x/members".to_owned(), json!([]), "id: "),
        ("PUT", of("/members/x"), Value::Null, "user_id: "),
        ("DELETE", of("/members/x"), Value::Null, "user_id: "),
        ("PUT", of("/members"), json!(vec![2; 1_001]), "1000 members"),
        ("PUT", of("/members/2"), json!([]), ""),
        ("POST", "/api/rooms/x/join".to_owned(), Value::Null, "id: "),
        ("POST", "/api/rooms/x/leave".to_owned(), Value::Null, "id: "),
        ("POST", "/api/rooms/x/read".to_owned(), Value::Null, "id: "),
        ("PATCH", "/api/rooms/x/me".to_owned(), json!({}), "id: "),
        ("PATCH", of("/me"), json!({"notify": 1}), "notify: "),
        ("PATCH", of("/me"), json!({"notify": "mention"}), "notify: "),
        (
            "PATCH",
            of("/me"),
            json!({"muted_until": 7}),
            "muted_until: ",
        ),
        (
            "PATCH",
            "/api/chats/x/me".to_owned(),
            json!({}),
            "user_id: ",
        ),
        (
            "PATCH",
            "/api/chats/2/me".to_owned(),
            json!({"notify": "x"}),
            "notify: ",
        ),
        ("PATCH", of(""), json!({"topic": "x".repeat(501)}), "topic"),
        ("PATCH", of(""), json!({"kind": "shut"}), "kind: "),
        ("PATCH", of(""), json!({"history": "none"}), "history: "),
        ("PATCH", of(""), json!({"post": 1}), "post: "),
        ("PATCH", of(""), json!({"avatar": "picture"}), "avatar"),
        ("PATCH", of(""), json!({"name": ""}), "name"),
        (
            "POST",
            "/api/rooms".to_owned(),
            json!({"name": "x", "post": "nobody"}),
            "post: ",
        ),
        (
            "POST",
            "/api/rooms".to_owned(),
            json!({"name": "x", "history": 1}),
            "history: ",
        ),
        (
            "POST",
            "/api/rooms".to_owned(),
            json!({"name": "x", "avatar": "x"}),
            "avatar",
        ),
        (
            "POST",
            "/api/rooms".to_owned(),
            json!({"name": "x", "member_ids": [0]}),
            "member_ids: ",
        ),
        ("DELETE", of("?erase=perhaps"), Value::Null, "erase: "),
        (
            "GET",
            "/api/inbox?limit=x".to_owned(),
            Value::Null,
            "limit: ",
        ),
        (
            "GET",
            "/api/inbox?before=x".to_owned(),
            Value::Null,
            "before: ",
        ),
        ("GET", "/api/messages/x".to_owned(), Value::Null, "id: "),
    ] {
        refused(
            &server,
            &ada,
            (method, &path, body),
            ("invalid_payload", says),
        )
        .await;
    }
    server.stop().await;
}

#[tokio::test]
async fn what_is_not_ones_own_to_do_in_a_room_is_refused_whoever_asks() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let carl = server.register("carl").await;
    let room = room_of(&server, &[&ada, &bob], json!({})).await;
    let of = |rest: &str| format!("/api/rooms/{room}{rest}");
    let member = |person: &Person| of(&format!("/members/{}", person.id));
    // A stranger learns nothing, not even that there is such a room.
    for (method, path, body) in [
        ("GET", of(""), Value::Null),
        ("GET", of("/reads"), Value::Null),
        ("PATCH", of("/me"), json!({"notify": "all"})),
        ("DELETE", of(""), Value::Null),
        ("PUT", of("/members"), json!([carl.id])),
        ("PUT", member(&carl), Value::Null),
        ("DELETE", member(&bob), Value::Null),
        ("DELETE", member(&carl), Value::Null),
        ("POST", of("/leave"), Value::Null),
    ] {
        refused(
            &server,
            &carl,
            (method, &path, body),
            ("not_found", "no such room"),
        )
        .await;
    }
    // An admin changes no owner and names none.
    ask(
        &server,
        &ada,
        "PUT",
        &member(&bob),
        json!({"role": "admin"}),
    )
    .await;
    for (method, path, body) in [
        ("PUT", member(&bob), json!({"role": "owner"})),
        ("PUT", member(&ada), json!({"role": "member"})),
        ("DELETE", member(&ada), Value::Null),
        ("DELETE", of(""), Value::Null),
    ] {
        refused(
            &server,
            &bob,
            (method, &path, body),
            ("forbidden", "only an owner"),
        )
        .await;
    }
    // The last owner stays, in whatever way they would go.
    for (method, path, body) in [
        ("DELETE", member(&ada), Value::Null),
        ("POST", of("/leave"), Value::Null),
        ("PUT", member(&ada), json!({"role": "admin"})),
    ] {
        refused(
            &server,
            &ada,
            (method, &path, body),
            ("forbidden", "last owner"),
        )
        .await;
    }
    ask(
        &server,
        &ada,
        "PUT",
        &member(&bob),
        json!({"role": "owner"}),
    )
    .await;
    ask(&server, &ada, "DELETE", &member(&ada), Value::Null).await;
    refused(
        &server,
        &bob,
        ("POST", &of("/leave"), Value::Null),
        ("forbidden", "last owner"),
    )
    .await;
    // Taken out once, taken out for good: it is done already.
    ask(&server, &bob, "DELETE", &member(&ada), Value::Null).await;
    ask(&server, &ada, "POST", &of("/leave"), Value::Null).await;
    refused(
        &server,
        &ada,
        ("GET", &of("/history"), Value::Null),
        ("not_found", "no such room"),
    )
    .await;
    server.stop().await;
}

#[tokio::test]
async fn an_archived_room_is_read_left_and_muted_and_nothing_else() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let carl = server.register("carl").await;
    let room = room_of(&server, &[&ada, &bob], json!({"kind": "open"})).await;
    let of = |rest: &str| format!("/api/rooms/{room}{rest}");
    let mut owner = server.connect_second(&ada).await;
    say(&mut owner, room, json!({})).await;
    let archived = ask(&server, &ada, "DELETE", &of(""), Value::Null).await;
    let at = archived["data"]["archived_at"].clone();
    assert!(at.is_string());
    assert_eq!(owner.expect("room_changed").await["change"], "archived");
    // Again it is so already, since the first time.
    let again = ask(&server, &ada, "DELETE", &of(""), Value::Null).await;
    assert_eq!(again["data"]["archived_at"], at);
    for (method, path, body) in [
        ("PATCH", of(""), json!({"name": "x"})),
        ("PUT", of("/members"), json!([carl.id])),
        ("PUT", of(&format!("/members/{}", carl.id)), Value::Null),
        ("POST", of("/invites"), Value::Null),
    ] {
        refused(
            &server,
            &ada,
            (method, &path, body),
            ("read_only", "archived"),
        )
        .await;
    }
    // Who is in it is so already.
    let role = json!({"role": "member"});
    for (path, body) in [
        (of("/members"), json!([ada.id, bob.id])),
        (of(&format!("/members/{}", bob.id)), Value::Null),
        (of(&format!("/members/{}", bob.id)), role),
    ] {
        ask(&server, &ada, "PUT", &path, body).await;
    }
    let said = say(&mut owner, room, json!({})).await;
    assert_eq!(said["error"]["code"], "read_only");
    refused(
        &server,
        &carl,
        ("POST", &of("/join"), Value::Null),
        ("read_only", "archived"),
    )
    .await;
    let open = server.get("/api/rooms/open", &carl.token).await;
    assert_eq!(open["data"], json!([]));
    let history = server.get(&of("/history"), &bob.token).await;
    assert_eq!(history["data"].as_array().unwrap().len(), 1);
    ask(&server, &bob, "POST", &of("/read"), Value::Null).await;
    ask(
        &server,
        &bob,
        "PATCH",
        &of("/me"),
        json!({"notify": "none"}),
    )
    .await;
    ask(&server, &bob, "POST", &of("/leave"), Value::Null).await;
    server.stop().await;
}

#[tokio::test]
async fn a_full_room_takes_nobody_and_a_large_one_tells_no_positions() {
    let mut config = config();
    config.rules.max_room_members = 101;
    let server = TestServer::with(config).await;
    let owner = server.register("owner").await;
    let mut people = Vec::new();
    for number in 0..101 {
        people.push(server.register(&format!("person{number}")).await);
    }
    let members: Vec<&Person> = std::iter::once(&owner).chain(&people[..100]).collect();
    let more = json!({"kind": "open"});
    let ids: Vec<u64> = people.iter().map(|person| person.id).collect();
    let room = json!({"name": "x", "member_ids": ids});
    refused(
        &server,
        &owner,
        ("POST", "/api/rooms", room),
        ("room_full", "as many members"),
    )
    .await;
    let room = room_of(&server, &members, more).await;
    let of = |rest: &str| format!("/api/rooms/{room}{rest}");
    let last = &people[100];
    for (person, method, path, body) in [
        (&owner, "PUT", of("/members"), json!([last.id])),
        (
            &owner,
            "PUT",
            of(&format!("/members/{}", last.id)),
            Value::Null,
        ),
        (last, "POST", of("/join"), Value::Null),
    ] {
        let says = ("room_full", "as many members");
        refused(&server, person, (method, &path, body), says).await;
    }
    refused(
        &server,
        &owner,
        ("GET", &of("/reads"), Value::Null),
        ("forbidden", "100 members"),
    )
    .await;
    let gone = of(&format!("/members/{}", people[0].id));
    ask(&server, &owner, "DELETE", &gone, Value::Null).await;
    let reads = server.get(&of("/reads"), &owner.token).await;
    assert_eq!(reads["data"].as_array().unwrap().len(), 100);
    ask(&server, last, "POST", &of("/join"), Value::Null).await;
    server.stop().await;
}

/// One stranger could fill all the rooms that a person may be in, and they could enter none.
#[tokio::test]
async fn nobody_fills_up_the_rooms_of_another() {
    let server = TestServer::start().await;
    let root = server.admin().await;
    let (ada, bob) = server.two_people().await;
    for _ in 0..250 {
        room_of(&server, &[&ada, &bob], json!({})).await;
    }
    let with_bob = json!({"name": "x", "member_ids": [bob.id]});
    let says = ("forbidden", "at most 250 rooms: give an invite");
    refused(&server, &ada, ("POST", "/api/rooms", with_bob), says).await;
    let room = room_of(&server, &[&ada], json!({"kind": "open"})).await;
    let member = format!("/api/rooms/{room}/members/{}", bob.id);
    refused(&server, &ada, ("PUT", &member, Value::Null), says).await;
    // By themselves they enter, others put them into theirs, and administrators into any.
    let join = format!("/api/rooms/{room}/join");
    ask(&server, &bob, "POST", &join, Value::Null).await;
    let carl = server.register("carl").await;
    room_of(&server, &[&carl, &bob], json!({})).await;
    // Those 252, and so many more of an administrator's.
    for _ in 0..198 {
        room_of(&server, &[&root, &bob], json!({})).await;
    }
    let with_bob = json!({"name": "x", "member_ids": [bob.id]});
    let says = ("forbidden", "at most 450 rooms");
    refused(&server, &carl, ("POST", "/api/rooms", with_bob), says).await;
    for _ in 0..50 {
        room_of(&server, &[&bob], json!({})).await;
    }
    let more = json!({"name": "x"});
    let says = ("forbidden", "at most 500 rooms");
    refused(&server, &bob, ("POST", "/api/rooms", more), says).await;
    server.stop().await;
}

#[tokio::test]
async fn administrators_see_how_large_rooms_are_and_archive_any() {
    let server = TestServer::start().await;
    let root = server.admin().await;
    let (ada, bob) = server.two_people().await;
    let room = room_of(&server, &[&ada, &bob], json!({})).await;
    let path = format!("/api/admin/rooms/{room}");
    let mut device = server.connect_second(&bob).await;
    let shown = server.get(&path, &root.token).await;
    assert_eq!(
        (&shown["data"]["name"], &shown["data"]["member_count"]),
        (&json!("Ops"), &json!(2))
    );
    for person in [&ada, &bob] {
        for method in ["GET", "DELETE"] {
            let says = ("forbidden", "administrator");
            refused(&server, person, (method, &path, Value::Null), says).await;
        }
    }
    let nowhere = "/api/admin/rooms/99";
    for method in ["GET", "DELETE"] {
        let says = ("not_found", "no such room");
        refused(&server, &root, (method, nowhere, Value::Null), says).await;
    }
    // Who is in it is the operator's alone to see.
    let members = format!("{path}/members");
    refused(
        &server,
        &root,
        ("GET", &members, Value::Null),
        ("forbidden", "commands"),
    )
    .await;
    for _ in 0..2 {
        let archived = ask(&server, &root, "DELETE", &path, Value::Null).await;
        assert!(archived["data"]["archived_at"].is_string());
    }
    let heard = device.expect("room_changed").await;
    assert_eq!(
        (&heard["change"], &heard["by"]),
        (&json!("archived"), &Value::Null)
    );
    // What comes next is something else: it was told once.
    let direct = json!({"receiver_id": bob.id, "content": "x"});
    let mut sender = server.connect_second(&ada).await;
    sender.call(1, "send_message", direct).await;
    assert_eq!(device.expect("receive_message").await["content"], "x");
    let since = server.get(&format!("/api/rooms/{room}"), &ada.token).await;
    assert!(since["data"]["archived_at"].is_string());
    // By the server's own hand all are out of it, and nobody has removed anybody.
    let erase = format!("{path}?erase=true");
    let erased = ask(&server, &root, "DELETE", &erase, Value::Null).await;
    assert_eq!(erased["data"]["member_count"], 0);
    assert_eq!(erased["data"]["name"], "");
    // What it was called goes first, then what was said, while they hear of it.
    let nameless = device.expect("room_changed").await;
    assert_eq!(nameless["room"]["name"], "");
    let gone = device.expect("messages_erased").await;
    assert_eq!(gone, json!({"room_id": room}));
    loop {
        let heard = device.expect("room_member").await;
        if heard["user_id"] == bob.id {
            assert_eq!((&heard["change"], heard.get("by")), (&json!("left"), None));
            break;
        }
    }
    let gone = format!("/api/rooms/{room}");
    let says = ("not_found", "no such room");
    refused(&server, &ada, ("GET", &gone, Value::Null), says).await;
    server.stop().await;
}

/// One that was erased stood in the list of all rooms for ever, without a name. It could be kept
/// for some days, hooks could be made for it, and who would join it heard that it was archived.
#[tokio::test]
async fn a_room_that_was_erased_is_no_room_to_anybody() {
    let server = TestServer::start().await;
    let root = server.admin().await;
    let (ada, bob) = server.two_people().await;
    let room = room_of(&server, &[&ada], json!({"kind": "open"})).await;
    let (theirs, path) = (
        format!("/api/rooms/{room}"),
        format!("/api/admin/rooms/{room}"),
    );
    let erase = format!("{theirs}?erase=true");
    ask(&server, &ada, "DELETE", &erase, Value::Null).await;
    let all = server.get("/api/admin/rooms", &root.token).await;
    assert_eq!(all["data"], json!([]));
    let join = format!("{theirs}/join");
    let days = json!({"retention_days": 30});
    let hook = json!({"url": "https://example.org/", "room_ids": [room]});
    let hook = ("POST", "/api/admin/hooks/out", hook);
    refused(&server, &root, hook, ("invalid_payload", "room_ids")).await;
    for (person, asked) in [
        (&ada, ("GET", &*theirs, Value::Null)),
        (&bob, ("POST", &*join, Value::Null)),
        (&root, ("GET", &*path, Value::Null)),
        (&root, ("PATCH", &*path, days)),
    ] {
        refused(&server, person, asked, ("not_found", "no such room")).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn rooms_and_their_members_have_rates_of_their_own() {
    let mut rates = Rates::off();
    for setting in ["rooms=1/h:3", "members=1/h:5"] {
        rates.set(setting.parse().unwrap());
    }
    let server = TestServer::with(Config { rates, ..config() }).await;
    let (ada, bob) = server.two_people().await;
    let room = room_of(&server, &[&ada], json!({})).await;
    let path = format!("/api/rooms/{room}");
    ask(&server, &ada, "PATCH", &path, json!({"topic": "x"})).await;
    ask(
        &server,
        &ada,
        "POST",
        &format!("{path}/invites"),
        Value::Null,
    )
    .await;
    let says = ("rate_limited", "");
    refused(
        &server,
        &ada,
        ("POST", "/api/rooms", json!({"name": "x"})),
        says,
    )
    .await;
    refused(&server, &ada, ("DELETE", &path, Value::Null), says).await;
    // Six people at once are one more than there are left, and are owed.
    let members = format!("{path}/members");
    ask(&server, &ada, "PUT", &members, json!(vec![bob.id; 6])).await;
    let one = format!("{members}/{}", bob.id);
    refused(&server, &ada, ("DELETE", &one, Value::Null), says).await;
    refused(&server, &ada, ("PUT", &members, json!([bob.id])), says).await;
    // Another person has their own, and all else goes on.
    ask(&server, &bob, "POST", &format!("{path}/leave"), Value::Null).await;
    server.get(&path, &ada.token).await;
    server.stop().await;
}
