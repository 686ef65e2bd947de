//! Who is to be told of a message by other means than a socket.

use super::snapshot::Snapshot;
use crate::model::{Act, ChatSettings, Members, Notice, Timestamp, UserId};

/// In rooms of more members only those are told whom a message mentions: no crowd is
/// to be gone through for each one.
const CROWD: u64 = 1_000;

impl Snapshot<'_> {
    /// Returns whom a message concerns as they have set it, its sender left out: the receiver, or
    /// the members of the room, but for those who have blocked the sender. None where the entry is
    /// no message.
    pub fn notified(&self, notice: &Notice, now: Timestamp) -> Vec<UserId> {
        let (Act::Sent { extras, .. }, Some(author)) = (&notice.entry.act, notice.entry.author)
        else {
            return Vec::new();
        };
        let state = self.state();
        let is_awake = |user: &UserId| {
            let user = state.people.directory.get(*user);
            user.is_some_and(|user| !user.disabled && !user.is_bot)
        };
        match notice.members {
            Members::Own(_) => Vec::new(),
            Members::Pair(pair) => {
                let other = pair.other(author).filter(is_awake);
                let told = other.filter(|other| {
                    let settings = state.rooms.settings(*other, author);
                    settings.tells_of(2, false, now) && !state.rooms.blocks(*other, author)
                });
                told.into_iter().collect()
            }
            Members::Room(room) => {
                let Some(head) = state.rooms.head(room) else {
                    return Vec::new();
                };
                let extras = extras.as_deref();
                let mentions = extras.map_or(&[][..], |extras| &extras.mentions);
                let all = extras.is_some_and(|extras| extras.mention_all);
                let is_told = |(user, settings): (UserId, ChatSettings)| {
                    let is_mentioned = all || mentions.contains(&user);
                    let told = user != author
                        && settings.tells_of(head.members, is_mentioned, now)
                        && is_awake(&user)
                        && !state.rooms.blocks(user, author);
                    told.then_some(user)
                };
                if head.members > CROWD && !all {
                    let mentioned = mentions.iter().filter_map(|user| {
                        let member = state.rooms.member(room, *user)?;
                        Some((*user, member.settings))
                    });
                    return mentioned.filter_map(is_told).collect();
                }
                let members = state.rooms.members_after(room, 0);
                let members = members.map(|(user, member)| (user, member.settings));
                members.filter_map(is_told).collect()
            }
        }
    }
}
