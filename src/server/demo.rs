//! A server to be looked at (`--demo`): some people, and what they have said to each other lately.
//!
//! All of it goes by the verbs that clients use, at times that have passed.

use std::time::Duration;

use tokio::sync::oneshot;

use crate::accounts::{AccountError, Accounts, Admin, ChangeAccount, PutAccount};
use crate::chat::{Chat, ChatError, NewRoom, SendMessage, SendToRoom};
use crate::model::{Extras, RoomHistory, RoomId, RoomKind, RoomPost, Timestamp, UserId};

/// The reason that there is nothing to look at.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// An account could not be made.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// Something could not be said.
    #[error(transparent)]
    Chat(#[from] ChatError),
    /// The server is stopping already.
    #[error("the server stopped meanwhile")]
    Stopped,
}

/// Their names, by id from 1 on.
const PEOPLE: [&str; 4] = ["Sari", "Budi", "Dewi Anggraini", "Raka"];
/// The first two are those that a visitor may be.
const SHOWN: usize = 2;

const SARI: usize = 1;
const BUDI: usize = 2;
const DEWI: usize = 3;
const RAKA: usize = 4;
/// In a person's place: the room in which all four are.
const TRIP: usize = 0;

const HOUR: u64 = 60;
const DAY: u64 = 24 * HOUR;

/// Something that was done: how many minutes ago, by whom, to whom or in the room.
type Step = (u64, usize, usize, Deed);

enum Deed {
    Says(&'static str),
    /// Says something that mentions a person.
    Calls(usize, &'static str),
    /// Reads all that others have said there.
    Reads,
}

use Deed::{Calls, Reads, Says};

/// Where something is done.
#[derive(Clone, Copy)]
enum Place {
    With(UserId),
    In(RoomId),
}

impl Deed {
    /// Has it done; what comes of it comes later.
    fn told(
        &self,
        chat: &Chat,
        people: &[UserId],
        then: Timestamp,
        actor: UserId,
        place: Place,
    ) -> oneshot::Receiver<Result<(), ChatError>> {
        let (done, result) = oneshot::channel();
        let (text, called) = match self {
            Says(text) => (*text, None),
            Calls(person, text) => (*text, Some(people[*person - 1])),
            Reads => {
                match place {
                    Place::With(other) => {
                        chat.mark_chat_read(then, actor, other, None, None, |read| {
                            drop(done.send(read.map(drop)));
                        });
                    }
                    Place::In(room) => chat.mark_room_read(then, actor, room, None, None, |read| {
                        drop(done.send(read.map(drop)));
                    }),
                }
                return result;
            }
        };
        let extras = called.map(|person| {
            let mut extras = Extras::default();
            extras.mentions.push(person);
            Box::new(extras)
        });
        let sent = |sent: Result<_, ChatError>| drop(done.send(sent.map(drop)));
        match place {
            Place::With(other) => {
                let message = SendMessage {
                    receiver_id: other,
                    content: text.into(),
                    client_id: None,
                    extras,
                };
                chat.send(then, actor, message, None, sent);
            }
            Place::In(room) => {
                let message = SendToRoom {
                    room_id: room,
                    content: text.into(),
                    client_id: None,
                    extras,
                };
                chat.send_to_room(then, actor, message, None, sent);
            }
        }
        result
    }
}

/// In order, for messages are numbered as they come. One line a step, so that it reads as talk.
#[rustfmt::skip]
const TALK: &[Step] = &[
    (9 * DAY + 40, RAKA, SARI, Says("Did the projector come back from the workshop?")),
    (9 * DAY + 33, SARI, RAKA, Reads),
    (9 * DAY + 31, SARI, RAKA, Says("It did, with a new lamp. It is in my office.")),
    (9 * DAY + 30, RAKA, SARI, Reads),
    (3 * DAY + 95, BUDI, SARI, Says("Halo Sari! Are you still up for Bromo at the weekend?")),
    (3 * DAY + 93, SARI, BUDI, Says("Halo! Yes, very much. I have wanted to see that sunrise for years.")),
    (3 * DAY + 92, BUDI, SARI, Reads),
    (3 * DAY + 90, BUDI, SARI, Says("Then we need the night train on Friday.")),
    (3 * DAY + 89, BUDI, SARI, Says("It leaves Gambir at 17:00 and is in Malang at 7:30.")),
    (3 * DAY + 84, SARI, BUDI, Says("Fine with me. Can you get the tickets? I pay you back.")),
    (3 * DAY + 83, BUDI, SARI, Says("Already looking 👀")),
    (3 * DAY + 82, SARI, BUDI, Reads),
    (2 * DAY + 200, DEWI, BUDI, Says("Budi, the keys of the club room are with the porter.")),
    (2 * DAY + 181, BUDI, DEWI, Reads),
    (2 * DAY + 180, BUDI, DEWI, Says("Thank you, I will fetch them.")),
    (2 * DAY + 170, DEWI, BUDI, Reads),
    (2 * DAY + 150, DEWI, TRIP, Says("Is there room for two more on Saturday? Raka and I would come.")),
    (2 * DAY + 140, BUDI, TRIP, Says("There is! The jeep takes six.")),
    (2 * DAY + 139, RAKA, TRIP, Says("Great. I bring the big camera.")),
    (2 * DAY + 130, SARI, TRIP, Says("Then we are four 🎉")),
    (2 * DAY + 120, DEWI, TRIP, Says("What does the weather say?")),
    (2 * DAY + 118, RAKA, TRIP, Says("Clear and cold. The best there is for the crater.")),
    (DAY + 310, BUDI, SARI, Says("Got them! Coach 3, seats 7A and 7B. Window for you.")),
    (DAY + 305, SARI, BUDI, Says("You are the best. 🙏")),
    (DAY + 304, SARI, BUDI, Says("What do I bring? It will be cold up there, won't it?")),
    (DAY + 300, BUDI, SARI, Says("About 5 °C before sunrise. A warm jacket, gloves, a torch, and something hot in a flask.")),
    (DAY + 299, BUDI, SARI, Says("The way up, with the best places to stand:\nhttps://en.wikipedia.org/wiki/Mount_Bromo")),
    (DAY + 290, SARI, BUDI, Says("Reading it now. So we walk from Cemoro Lawang?")),
    (DAY + 288, BUDI, SARI, Says("Yes, or we share a jeep to the viewpoint. I would take the jeep: it leaves at 3 in the morning.")),
    (DAY + 285, SARI, BUDI, Says("3 in the morning. On my weekend.")),
    (DAY + 284, BUDI, SARI, Says("You said “for years” 😄")),
    (DAY + 280, SARI, BUDI, Says("Jeep it is.")),
    (DAY + 279, BUDI, SARI, Reads),
    (DAY + 270, BUDI, TRIP, Says("The jeep is booked: four seats, 3 in the morning.")),
    (DAY + 262, RAKA, TRIP, Says("3 in the morning?!")),
    (DAY + 261, SARI, TRIP, Says("I said the same.")),
    (DAY + 260, RAKA, TRIP, Reads),
    (5 * HOUR, DEWI, SARI, Says("Selamat pagi! Is the meeting still at ten?")),
    (5 * HOUR - 2, DEWI, SARI, Says("And could you bring the printed list?")),
    (4 * HOUR, DEWI, TRIP, Says("Does anybody have a spare torch?")),
    (4 * HOUR - 5, RAKA, TRIP, Says("Two of them.")),
    (4 * HOUR - 9, DEWI, TRIP, Reads),
    (70, SARI, TRIP, Reads),
    (64, SARI, BUDI, Says("I have packed. My jacket takes up half of the bag.")),
    (62, BUDI, SARI, Says("Mine too. We will be glad of them.")),
    (61, SARI, BUDI, Reads),
    (35, SARI, BUDI, Says("Where do we meet on Friday?")),
    (33, BUDI, SARI, Reads),
    (12, BUDI, SARI, Says("At 16:30, in front of the bakery at the north entrance.")),
    (11, BUDI, SARI, Says("I bring the coffee, you bring the snacks?")),
    (8, DEWI, TRIP, Says("And I bring the cake.")),
    (7, RAKA, TRIP, Calls(SARI, "@Sari could you bring your big flask as well? Mine leaks.")),
    (6, BUDI, TRIP, Reads),
];

/// Makes the people, their room and their talk; returns the two that a visitor may be.
pub(super) async fn prepare(
    accounts: &Accounts,
    chat: &Chat,
    now: Timestamp,
) -> Result<Vec<UserId>, DemoError> {
    let operator = Admin::operator();
    let mut people = Vec::new();
    for (id, name) in (1..).zip(PEOPLE) {
        let put = PutAccount {
            id: UserId::new(id).map_err(|_| AccountError::Internal)?,
            username: name.to_owned(),
            name: None,
            avatar: None,
        };
        let made = accounts.put_account(operator, now, put).await?;
        people.push(made.user.id);
    }
    // So that there is an administration to be looked at, too.
    let promoted = ChangeAccount {
        is_admin: Some(true),
        ..ChangeAccount::default()
    };
    accounts
        .change_account(operator, now, people[SARI - 1], promoted)
        .await?;
    let trip = trip(chat, before(now, 10 * DAY), &people).await?;
    // All at once: the store takes them in this order, and they share its commits.
    let told: Vec<_> = TALK
        .iter()
        .map(|(minutes, actor, other, deed)| {
            let place = match *other {
                TRIP => Place::In(trip),
                other => Place::With(people[other - 1]),
            };
            let then = before(now, *minutes);
            deed.told(chat, &people, then, people[*actor - 1], place)
        })
        .collect();
    for done in told {
        done.await.map_err(|_| DemoError::Stopped)??;
    }
    for (id, minutes) in [(DEWI, 4 * HOUR), (RAKA, 2 * DAY)] {
        chat.seen(before(now, minutes), people[id - 1]);
    }
    people.truncate(SHOWN);
    Ok(people)
}

/// Makes the room in which all of them are; the first is its owner.
async fn trip(chat: &Chat, then: Timestamp, people: &[UserId]) -> Result<RoomId, ChatError> {
    let room = NewRoom {
        name: "Bromo trip".into(),
        topic: "Sunrise on Saturday".into(),
        avatar: None,
        kind: RoomKind::Closed,
        history: RoomHistory::All,
        post: RoomPost::All,
    };
    let made = chat.create_room(then, people[0], room, people[1..].to_vec());
    Ok(made.await?.id)
}

fn before(now: Timestamp, minutes: u64) -> Timestamp {
    let passed = Duration::from_secs(minutes * 60);
    let passed = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX);
    Timestamp::from_ms(now.as_ms().saturating_sub(passed))
}
