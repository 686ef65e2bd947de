//! Commands: each comes to what its type says.

use std::sync::Arc;
use std::time::Duration;

use super::{Open, id, user};
use crate::model::{
    FileId, HookSecret, HookUrl, LoginSession, SessionId, Timestamp, Username, Whom,
};
use crate::store::*;

const NOW: Timestamp = Timestamp::from_ms(1_000);

impl Open {
    /// Has a command of any kind done, and returns what it came to.
    fn come<T: Send + 'static>(&self, command: Command<T>) -> T {
        let (answer, answered) = std::sync::mpsc::channel();
        self.store
            .submit(NOW, command, move |result| answer.send(result).unwrap());
        // Refused, or answered with the outcome of another kind.
        answered.recv().unwrap().unwrap()
    }
}

fn named(name: &str, is_bot: bool) -> NewUser {
    NewUser {
        username: Username::registered(name).unwrap(),
        name: None,
        avatar: None,
        password_hash: (!is_bot).then(|| "hash".into()),
        is_admin: false,
        is_bot,
        only_if_first: false,
        invite: None,
    }
}

fn hook_out() -> HookKind {
    HookKind::Out(Box::new(HookOut {
        url: HookUrl("https://example.org/hook".into()),
        secret: HookSecret([8; 32]),
        events: Vec::new(),
        rooms: Vec::new(),
        progress: HookProgress::default(),
        turn: 0,
    }))
}

#[test]
fn acts_of_talk_and_on_rooms_come_to_what_their_type_says() {
    let open = Open::memory().with_users(2);
    let talk = Talk::send(user(1), user(2), "hello".into(), None);
    let outcome = open.come(Command::talk(talk));
    assert!(matches!(outcome, Outcome::Entry(_)), "{outcome:?}");
    let what = RoomCommand::Block {
        user: user(1),
        blocked: true,
    };
    let by = Some(user(2));
    let act = RoomAct { by, what };
    assert_eq!(open.come(Command::room(act)).notices.len(), 1);
    let many = EraseMany {
        messages: vec![id(1)],
        sender: None,
        all_of: None,
    };
    let erase = Command::erase_many(vec![many]);
    assert_eq!(open.come(erase).notices.len(), 1);
    let retain = Command::retain(Vec::new(), 1);
    assert_eq!(open.come(retain).notices.len(), 0);
    open.close();
}

#[test]
fn changes_of_accounts_come_to_what_their_type_says() {
    let open = Open::memory();
    let made = open.come(Command::create_user(named("ada", false)));
    assert_eq!(made.id, user(1));
    let change = UserChange {
        is_admin: Some(true),
        ..UserChange::default()
    };
    assert!(open.come(Command::change_user(user(1), change)).is_admin);
    let (put, created) = open.come(Command::put_user(PutUser {
        whom: Whom::Id(user(7)),
        names: vec![Username::registered("bob").unwrap()],
        name: None,
        is_numbered: false,
        avatar: None,
        by: PutBy::Administrator,
    }));
    assert_eq!((put.id, created), (user(7), true));
    open.come(Command::seen([(user(1), NOW)].into()));
    assert_eq!(open.store.user(user(1)).unwrap().last_seen, Some(NOW));
    let gone = open.come(Command::delete_user(Leaving {
        user: user(7),
        erases: true,
        issuers_ahead: Duration::ZERO,
        if_token_version: None,
    }));
    assert!(gone.deleted && gone.erasing);
    assert!(!open.come(Command::sent_is_erased(user(7))).erasing);
    let invite = open.come(Command::create_invite(Invite {
        code: "code".into(),
        max_uses: 1,
        uses: 0,
        created_at: NOW,
        expires_at: NOW.plus(Duration::from_secs(60)),
        room: None,
        registers: true,
        by: Maker::Operator,
    }));
    open.come(Command::revoke_invite(invite.code));
    assert_eq!(open.store.invites(), []);
    let code = ResetCode {
        hash: [7; 32],
        expires_at: NOW.plus(Duration::from_secs(60)),
    };
    open.come(Command::create_code(user(1), code));
    open.close();
}

#[test]
fn changes_around_accounts_come_to_what_their_type_says() {
    let open = Open::memory().with_users(2);
    let (bot, first) = open.come(Command::create_bot(named("bot", true), [1; 32]));
    assert_eq!(first.holder, KeyHolder::Bot(bot.id));
    let key = open.come(Command::create_key(KeyHolder::Bot(bot.id), [2; 32]));
    assert_eq!(open.come(Command::confirm_key(key.id)).id, key.id);
    assert_eq!(open.come(Command::revoke_key(key.id)).hash, [2; 32]);
    let session = LoginSession {
        id: SessionId::new(9).unwrap(),
        created_at: NOW,
        used_at: NOW,
        expires_at: NOW.plus(Duration::from_secs(60)),
        client: None,
        address: None,
    };
    let session_id = session.id;
    let begun = open.come(Command::session(SessionAct::Open {
        user: user(1),
        session,
        if_token_version: 0,
    }));
    assert_eq!(begun, []);
    let which = Ending::One(session_id);
    let end = SessionAct::End {
        user: user(1),
        which,
    };
    assert_eq!(open.come(Command::session(end)), [session_id]);
    let report = ReportAct::File(Box::new(NewReport {
        by: user(1),
        about: user(2),
        message: None,
        reason: "rude".into(),
    }));
    let number = open.come(Command::report(report));
    assert_eq!(open.come(Command::report(ReportAct::Close(number))), number);
    let hook = open.come(Command::create_hook(hook_out()));
    let pause = HookChangeTo::Paused(true);
    let paused = open.come(Command::change_hook(hook.id, pause, None));
    assert_eq!(paused.id, hook.id);
    open.come(Command::hooks_moved(Vec::new()));
    open.come(Command::delete_hook(hook.id));
    assert!(open.store.hook(hook.id).is_none());
    let wish = NewSubscription {
        endpoint: "https://push.example/a".into(),
        p256dh: [4; 65],
        auth: [7; 16],
        lang: PushLanguage::En,
        show: PushShow::Text,
        base: "".into(),
        session: None,
        until: None,
    };
    let made = open.come(Command::subscribe(user(1), wish));
    open.come(Command::unsubscribe(Some(user(1)), made.id));
    assert_eq!(open.store.subscriptions(user(1)), []);
    let begin = FileCommand::Begin(NewFile {
        owner: user(1),
        name: Arc::from("a.txt"),
        length: 3,
        metadata: None,
    });
    let act = FileAct {
        id: FileId::new(7),
        what: begin,
    };
    assert_eq!(open.come(Command::file(act)).owner, user(1));
    open.close();
}
