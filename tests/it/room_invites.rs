//! Links that lead into a room: making them, looking at them, joining and registering by them.

use chatd::accounts::Registration;
use chatd::config::Config;
use serde_json::{Value, json};

use crate::rooms::{ask, room_of, tried};
use crate::support::{Person, TestServer, config};

/// Makes an invite into a room. Returns its code.
async fn invite(server: &TestServer, by: &Person, room: u64, wish: Value) -> String {
    let path = format!("/api/rooms/{room}/invites");
    let made = ask(server, by, "POST", &path, wish).await;
    made["data"]["code"].as_str().unwrap().to_owned()
}

/// Looks at an invite, as one who has no account.
async fn look(server: &TestServer, code: &str) -> Value {
    let body = json!({"code": code}).to_string();
    let reply = server.send("POST", "/api/invites/look", None, &body).await;
    reply.json()
}

#[tokio::test]
async fn an_invite_into_a_room_leads_as_many_people_in_as_it_says() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let carl = server.register("carl").await;
    let room = room_of(&server, &[&ada], json!({})).await;
    let path = format!("/api/rooms/{room}/invites");
    let made = ask(&server, &ada, "POST", &path, Value::Null).await["data"].take();
    let code = made["code"].as_str().unwrap();
    assert_eq!(
        made["url"],
        format!("http://{}/#/join/{code}", server.address)
    );
    assert_eq!((&made["max_uses"], &made["uses"]), (&json!(1), &json!(0)));
    assert_eq!(made["room"], json!({"id": room, "name": "Ops"}));
    let seen = json!({"room": {"id": room, "name": "Ops"}, "registers": false});
    for _ in 0..3 {
        assert_eq!(
            look(&server, code).await["data"],
            seen,
            "nothing is used up"
        );
    }
    let mut owner = server.connect_second(&ada).await;
    let join = json!({"invite": code});
    // The owner is in it already, and so is bob the second time: that uses nothing.
    for person in [&ada, &bob, &bob] {
        let joined = ask(&server, person, "POST", "/api/rooms/join", join.clone()).await;
        assert_eq!(joined["data"]["id"], room);
    }
    let heard = owner.expect("room_member").await;
    assert_eq!(
        (&heard["user_id"], &heard["change"], heard.get("by")),
        (&json!(bob.id), &json!("joined"), None)
    );
    let late = tried(&server, &carl, "POST", "/api/rooms/join", join).await;
    assert_eq!(
        (late.status.as_u16(), late.code().as_str()),
        (403, "invalid_invite")
    );
    assert_eq!(look(&server, code).await["error"]["code"], "invalid_invite");
    let shown = server.get(&format!("/api/rooms/{room}"), &ada.token).await;
    assert_eq!(shown["data"]["member_count"], 2);
    server.stop().await;
}

#[tokio::test]
async fn who_registers_by_an_invite_of_an_administrator_is_in_the_room() {
    for registration in [Registration::Invite, Registration::Open] {
        let server = TestServer::with(Config {
            registration,
            ..config()
        })
        .await;
        let root = server.admin().await;
        let room = room_of(&server, &[&root], json!({"name": "Welcome"})).await;
        let code = invite(&server, &root, room, json!({"max_uses": 2})).await;
        assert_eq!(look(&server, &code).await["data"]["registers"], true);
        let reply = server.register_with("ada", Some(&code)).await;
        assert_eq!(reply.status, 201, "{registration:?}: {}", reply.body);
        let ada = server.login("ada", "password1").await;
        let rooms = server.get("/api/rooms", &ada.token).await;
        assert_eq!(rooms["data"][0]["name"], "Welcome", "{registration:?}");
        // One of a member alone lets in whom it finds here, and nobody else.
        let member = format!("/api/rooms/{room}/members/{}", ada.id);
        ask(&server, &root, "PUT", &member, json!({"role": "admin"})).await;
        let theirs = invite(&server, &ada, room, Value::Null).await;
        assert_eq!(look(&server, &theirs).await["data"]["registers"], false);
        let reply = server.register_with("bob", Some(&theirs)).await;
        match registration {
            Registration::Open => assert_eq!(reply.status, 201),
            _ => assert_eq!(reply.code(), "invalid_invite"),
        }
        // An administrator sees both, and takes one away.
        let all = server.get("/api/admin/invites", &root.token).await;
        assert_eq!(
            all["data"][1]["room"],
            json!({"id": room, "name": "Welcome"})
        );
        assert_eq!(all["data"][1]["uses"], 1);
        let path = format!("/api/admin/invites/{theirs}");
        ask(&server, &root, "DELETE", &path, Value::Null).await;
        assert_eq!(
            look(&server, &theirs).await["error"]["code"],
            "invalid_invite"
        );
        server.stop().await;
    }
}

/// An administrator was demoted, shut out and deleted, and accounts were still made by their
/// invites.
#[tokio::test]
async fn invites_do_not_outlive_the_right_of_their_maker() {
    let server = TestServer::with(Config {
        registration: Registration::Invite,
        ..config()
    })
    .await;
    let root = server.admin().await;
    let plain = async |by: &Person| {
        let made = ask(
            &server,
            by,
            "POST",
            "/api/admin/invites",
            json!({"max_uses": 99}),
        )
        .await;
        made["data"]["code"].as_str().unwrap().to_owned()
    };
    let roots = plain(&root).await;
    for name in ["dan", "bob", "carl"] {
        let made = server.register_with(name, Some(&roots)).await;
        assert_eq!(made.status, 201, "{}", made.body);
    }
    let [dan, bob, carl] = ["dan", "bob", "carl"].map(|name| server.login(name, "password1"));
    let (dan, bob, carl) = (dan.await, bob.await, carl.await);
    let account = format!("/api/admin/users/{}", dan.id);
    let set = async |change: Value| {
        ask(&server, &root, "PATCH", &account, change).await;
    };
    set(json!({"is_admin": true})).await;
    let room = room_of(&server, &[&dan], json!({})).await;
    let dans = plain(&dan).await;
    let into = invite(&server, &dan, room, json!({"max_uses": 99})).await;
    let registers = async |code: &str, name: &str| {
        let reply = server.register_with(name, Some(code)).await;
        match reply.status.is_success() {
            true => "registered".to_owned(),
            false => reply.code(),
        }
    };
    assert_eq!(registers(&dans, "first").await, "registered");
    assert_eq!(registers(&into, "second").await, "registered");

    // Demoted, they still let people with an account into their room.
    set(json!({"is_admin": false})).await;
    for (code, name) in [(&dans, "third"), (&into, "fourth")] {
        assert_eq!(registers(code, name).await, "invalid_invite");
    }
    assert_eq!(
        look(&server, &dans).await["error"]["code"],
        "invalid_invite"
    );
    assert_eq!(look(&server, &into).await["data"]["registers"], false);
    let join = json!({"invite": into});
    ask(&server, &bob, "POST", "/api/rooms/join", join.clone()).await;
    let codes = async || {
        let all = server.get("/api/admin/invites", &root.token).await;
        let rows = all["data"].as_array().unwrap().iter();
        let codes = rows.map(|row| row["code"].as_str().unwrap().to_owned());
        codes.collect::<Vec<_>>()
    };
    assert_eq!(codes().await, [into.clone(), roots.clone()]);
    // What they lost does not come back with their rights.
    set(json!({"is_admin": true})).await;
    assert_eq!(registers(&into, "fifth").await, "invalid_invite");
    assert_eq!(look(&server, &into).await["data"]["registers"], false);
    assert_eq!(codes().await, [into.clone(), roots.clone()]);

    set(json!({"disabled": true})).await;
    let late = tried(&server, &carl, "POST", "/api/rooms/join", join.clone()).await;
    assert_eq!(late.code(), "invalid_invite");
    assert_eq!(
        look(&server, &into).await["error"]["code"],
        "invalid_invite"
    );
    assert_eq!(codes().await, std::slice::from_ref(&roots));
    ask(&server, &root, "DELETE", &account, Value::Null).await;
    let late = tried(&server, &carl, "POST", "/api/rooms/join", join).await;
    assert_eq!(late.code(), "invalid_invite");
    assert_eq!(registers(&roots, "fifth").await, "registered");
    server.stop().await;
}

/// One whose maker was an admin of the room again led there again, unless somebody had made another
/// invite meanwhile.
#[tokio::test]
async fn an_invite_that_has_ended_does_not_come_back_with_the_right_of_its_maker() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    let (ada, bob) = server.two_people().await;
    let room = room_of(&server, &[&ada, &bob], json!({})).await;
    let member = format!("/api/rooms/{room}/members/{}", bob.id);
    let role = async |role: &str| {
        ask(&server, &ada, "PUT", &member, json!({"role": role})).await;
    };
    let leads = async |code: &str| look(&server, code).await["success"] == true;
    for ended_by in ["role", "removal", "account"] {
        role("admin").await;
        let code = invite(&server, &bob, room, json!({})).await;
        // An owner is an admin, too.
        role("owner").await;
        role("admin").await;
        assert!(leads(&code).await);
        let account = format!("/api/admin/users/{}", bob.id);
        match ended_by {
            "role" => role("member").await,
            "removal" => drop(ask(&server, &ada, "DELETE", &member, Value::Null).await),
            _ => {
                for disabled in [true, false] {
                    let change = json!({"disabled": disabled});
                    ask(&server, &admin, "PATCH", &account, change).await;
                }
            }
        }
        role("admin").await;
        assert!(!leads(&code).await, "{ended_by}");
    }
    server.stop().await;
}

/// An admin whom the owner had taken out of a closed room came back by an invite of their own,
/// which the owner could neither see nor take away.
#[tokio::test]
async fn who_is_taken_out_of_a_room_does_not_come_back_by_an_invite_of_their_own() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let carl = server.register("carl").await;
    let room = room_of(&server, &[&ada, &bob, &carl], json!({})).await;
    let other = room_of(&server, &[&ada], json!({})).await;
    let elsewhere = invite(&server, &ada, other, Value::Null).await;
    let path = format!("/api/rooms/{room}/invites");
    let member = format!("/api/rooms/{room}/members/{}", bob.id);
    ask(&server, &ada, "PUT", &member, json!({"role": "admin"})).await;
    let first = invite(&server, &bob, room, json!({"max_uses": 1_000})).await;
    let second = invite(&server, &bob, room, json!({"max_uses": 1_000})).await;

    // All of its admins see all of its invites, and take them away.
    let listed = server.get(&path, &ada.token).await;
    let rows = listed["data"].as_array().unwrap().iter();
    let rows: Vec<_> = rows.map(|row| (&row["code"], &row["by"])).collect();
    let (first_code, second_code) = (json!(first), json!(second));
    assert_eq!(
        rows,
        [
            (&second_code, &json!(bob.id)),
            (&first_code, &json!(bob.id))
        ]
    );
    let revoke = format!("{path}/{first}");
    for (person, method, path, code) in [
        (&carl, "GET", &*path, "forbidden"),
        (&carl, "DELETE", &*revoke, "forbidden"),
        (&ada, "DELETE", &*format!("{path}/{elsewhere}"), "not_found"),
        (&ada, "DELETE", &*format!("{path}/unknown"), "not_found"),
        (
            &bob,
            "GET",
            &*format!("/api/rooms/{other}/invites"),
            "not_found",
        ),
    ] {
        let refused = tried(&server, person, method, path, Value::Null).await;
        assert_eq!(refused.code(), code, "{method} {path}");
    }
    ask(&server, &ada, "DELETE", &revoke, Value::Null).await;
    assert_eq!(
        look(&server, &first).await["error"]["code"],
        "invalid_invite"
    );
    assert!(look(&server, &second).await["data"]["room"].is_object());

    ask(&server, &ada, "DELETE", &member, Value::Null).await;
    let join = json!({"invite": second});
    let back = tried(&server, &bob, "POST", "/api/rooms/join", join).await;
    assert_eq!(back.code(), "invalid_invite");
    assert_eq!(server.get(&path, &ada.token).await["data"], json!([]));
    assert!(look(&server, &elsewhere).await["data"]["room"].is_object());
    server.stop().await;
}

/// Somebody who was to join gets an account all the same.
#[tokio::test]
async fn an_invite_into_a_room_that_is_archived_registers_and_leads_nowhere() {
    let server = TestServer::with(Config {
        registration: Registration::Invite,
        ..config()
    })
    .await;
    let root = server.admin().await;
    let room = room_of(&server, &[&root], json!({})).await;
    let code = invite(&server, &root, room, Value::Null).await;
    let path = format!("/api/rooms/{room}");
    ask(&server, &root, "DELETE", &path, Value::Null).await;
    assert_eq!(
        look(&server, &code).await["data"],
        json!({"room": null, "registers": true})
    );
    assert_eq!(server.register_with("ada", Some(&code)).await.status, 201);
    let ada = server.login("ada", "password1").await;
    let rooms = server.get("/api/rooms", &ada.token).await;
    assert_eq!(rooms["data"], json!([]));
    server.stop().await;
}

#[tokio::test]
async fn what_is_wrong_with_an_invite_into_a_room_is_refused_with_its_code_and_the_key() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let carl = server.register("carl").await;
    let room = room_of(&server, &[&ada, &bob], json!({})).await;
    let path = &*format!("/api/rooms/{room}/invites");
    for (person, path, body, code, says) in [
        (&carl, path, json!({}), "not_found", "no such room"),
        (&bob, path, json!({}), "forbidden", "only an admin"),
        (
            &ada,
            path,
            json!({"max_uses": 0}),
            "invalid_payload",
            "max_uses",
        ),
        (
            &ada,
            path,
            json!({"max_uses": "x"}),
            "invalid_payload",
            "max_uses: ",
        ),
        (
            &ada,
            path,
            json!({"expires_in": 0}),
            "invalid_payload",
            "expires_in",
        ),
        (&ada, path, json!([]), "invalid_payload", ""),
        (
            &ada,
            "/api/rooms/x/invites",
            json!({}),
            "invalid_payload",
            "id: ",
        ),
        (
            &ada,
            "/api/rooms/join",
            json!({}),
            "invalid_payload",
            "invite is missing",
        ),
        (
            &ada,
            "/api/rooms/join",
            json!({"invite": 7}),
            "invalid_payload",
            "invite: ",
        ),
        (
            &ada,
            "/api/rooms/join",
            json!({"invite": "x"}),
            "invalid_invite",
            "",
        ),
        (
            &ada,
            "/api/invites/look",
            json!({}),
            "invalid_payload",
            "code is missing",
        ),
        (
            &ada,
            "/api/invites/look",
            json!({"code": null}),
            "invalid_payload",
            "code",
        ),
        (
            &ada,
            "/api/invites/look",
            json!({"code": "x"}),
            "invalid_invite",
            "",
        ),
    ] {
        let reply = tried(&server, person, "POST", path, body.clone()).await;
        let message = reply.json()["error"]["message"].to_string();
        assert_eq!(reply.code(), code, "{path} {body}: {message}");
        assert!(message.contains(says), "{path} {body}: {message}");
    }
    let code = invite(&server, &ada, room, Value::Null).await;
    ask(
        &server,
        &ada,
        "DELETE",
        &format!("/api/rooms/{room}"),
        Value::Null,
    )
    .await;
    let join = json!({"invite": code});
    let reply = tried(&server, &carl, "POST", "/api/rooms/join", join).await;
    assert_eq!(reply.code(), "read_only");
    let reply = tried(&server, &ada, "POST", path, Value::Null).await;
    assert_eq!(reply.code(), "read_only");
    server.stop().await;
}

/// All that may be kept could be taken up by one person with a room, and nobody could be invited.
#[tokio::test]
async fn one_person_takes_up_a_few_of_the_invites_and_administrators_as_many_as_they_like() {
    let server = TestServer::start().await;
    let root = server.admin().await;
    let ada = server.register("ada").await;
    let room = room_of(&server, &[&ada, &root], json!({})).await;
    let path = format!("/api/rooms/{room}/invites");
    let mut codes = Vec::new();
    for _ in 0..50 {
        codes.push(invite(&server, &ada, room, Value::Null).await);
    }
    let reply = tried(&server, &ada, "POST", &path, Value::Null).await;
    assert_eq!(
        (reply.status.as_u16(), reply.code().as_str()),
        (403, "forbidden")
    );
    // One that is used up makes place for another.
    let bob = server.register("bob").await;
    let join = json!({"invite": codes[0]});
    ask(&server, &bob, "POST", "/api/rooms/join", join).await;
    invite(&server, &ada, room, Value::Null).await;
    let member = format!("/api/rooms/{room}/members/{}", root.id);
    ask(&server, &ada, "PUT", &member, json!({"role": "admin"})).await;
    for _ in 0..60 {
        invite(&server, &root, room, Value::Null).await;
    }
    server.stop().await;
}

/// Those that were used up stayed until they expired, perhaps for ten years: by making and using
/// them one person could take up all that may be kept, and nobody could be invited.
#[tokio::test]
async fn invites_of_one_person_that_are_used_up_make_way_for_others() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let room = room_of(&server, &[&ada], json!({})).await;
    let path = format!("/api/rooms/{room}/invites");
    let mut codes = vec![invite(&server, &ada, room, json!({"max_uses": 2})).await];
    for _ in 0..60 {
        codes.push(invite(&server, &ada, room, json!({"expires_in": 86_400_000})).await);
        let join = json!({"invite": codes.last()});
        ask(&server, &bob, "POST", "/api/rooms/join", join).await;
        let leave = format!("/api/rooms/{room}/leave");
        ask(&server, &bob, "POST", &leave, Value::Null).await;
    }
    let kept = server.get(&path, &ada.token).await;
    let kept = kept["data"].as_array().unwrap().iter();
    let kept: Vec<_> = kept
        .map(|invite| invite["code"].as_str().unwrap())
        .collect();
    let mut expected: Vec<_> = codes[12..].iter().map(|code| &**code).collect();
    expected.push(&codes[0]);
    assert_eq!(kept.len(), 50);
    assert!(expected.iter().all(|code| kept.contains(code)), "{kept:?}");
    server.stop().await;
}
