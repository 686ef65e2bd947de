//! The reactions to a message between two people.

use std::sync::Arc;

use crate::model::Reaction;

/// Puts the emoji of the member at this place among the reactions, or takes it away.
pub(crate) fn react(reactions: &mut Vec<Reaction>, place: usize, emoji: &str, on: bool) {
    let bit = 1 << place;
    let known = reactions
        .iter_mut()
        .find(|reaction| &*reaction.emoji == emoji);
    match known {
        Some(known) if on => known.members |= bit,
        Some(known) => known.members &= !bit,
        None if on => reactions.push(Reaction {
            emoji: Arc::from(emoji),
            members: bit,
        }),
        None => {}
    }
    reactions.retain(|reaction| reaction.members != 0);
}
