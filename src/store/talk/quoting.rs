//! What messages answer, looked up for those who read them. It costs a message that answers nothing
//! no look-up.

use crate::model::{Act, Extras, MessageId, Pair, Said, Stream};
use crate::store::log::chain::ReadLog;
use crate::store::log::record::{Author, Record};

/// Looks up what the answered message of a chat says, where it is there and `shows` says that the
/// reader may see it; `pair` are the members of a chat of two.
pub(crate) fn quote<L: ReadLog>(
    log: &L,
    extras: Option<&mut Extras>,
    pair: Option<Pair>,
    shows: impl FnOnce(MessageId) -> bool,
) -> Result<(), L::Error> {
    let Some(reply) = extras.and_then(|extras| extras.reply_to.as_mut()) else {
        return Ok(());
    };
    if shows(reply.to) {
        reply.said = log.read(reply.to.into(), |record| said(&record, pair))?;
    }
    Ok(())
}

/// Returns what a message says; `None` for one that is gone.
fn said(record: &Record<&str>, pair: Option<Pair>) -> Option<Said> {
    let Act::Sent { content, .. } = &record.act else {
        return None;
    };
    let sender = match (record.author, record.stream, pair) {
        (Author::Member(place), Stream::Pair(_), Some(pair)) => pair.members()[place],
        (Author::Account(user), Stream::Room(_), _) => user,
        _ => return None,
    };
    Some(Said::new(sender, content))
}
