//! Making a file of the index of what was in memory: messages are numbered anew, by their chats and
//! then by their ids, and of those that are gone nothing is written.
//!
//! ```text
//! head          a fixed size, see `Head`
//! ids           of each message, by number: its id less the lowest one, in `id_bits` bits
//! chats         blocks of 64: of each chat its key less the one before it, and how many messages
//! chat places   of each block its first key (8 bytes), first message (4) and place (4)
//! numbers       of each term that more than one message has, their numbers, see `postings.rs`
//! terms         blocks of 64: of each term what it shares with the one before it (varint), the
//!               rest with its length, how many messages have it, then the one, or how many bytes
//!               of numbers
//! term places   of each block its place (4 bytes), that of its numbers (4) and its first term;
//!               then where each of these begins (4 bytes each)
//! ```

use super::head::{BLOCK, HEAD_BYTES, Head, Section};
use super::postings::{encode, put};
use super::recent::Recent;

/// 256 terms are written before others have a turn.
const TERMS_A_TURN: usize = 256;

/// Returns the bytes of a segment, of the entries up to and including `through`; `None` where
/// nothing is left of its messages. `turn` is called often, so that others need not wait for all of
/// it.
pub(super) fn seal(
    recent: &Recent,
    stamp: [u8; 16],
    through: u64,
    turn: &mut dyn FnMut(),
) -> Option<Vec<u8>> {
    let live = recent.entered().iter().enumerate();
    let live = live.filter(|(_, entered)| !entered.is_stale);
    let mut order: Vec<(u64, u64, usize)> = live
        .map(|(number, entered)| (entered.chat, entered.id, number))
        .collect();
    order.sort_unstable();
    let low = order.iter().map(|(_, id, _)| *id).min()?;
    let high = order.iter().map(|(_, id, _)| *id).max()?;
    let mut numbers = vec![None; recent.len()];
    for (new, (.., old)) in (0_u32..).zip(&order) {
        numbers[*old] = Some(new);
    }
    turn();
    let mut head = Head {
        stamp,
        from: recent.from,
        through,
        as_of: recent.as_of,
        count: order.len() as u32,
        low,
        high,
        id_bits: 64 - (high - low).leading_zeros(),
        blocks: 0,
        extra: extras(recent, &order, through),
        sections: [Section::default(); 6],
    };
    let mut out = vec![0; HEAD_BYTES];
    put_ids(&mut out, &mut head, &order);
    put_chats(&mut out, &mut head, &order);
    put_terms(&mut out, &mut head, recent, &numbers, turn);
    head.encode(&mut out[..HEAD_BYTES]);
    Some(out)
}

/// Returns the lowest and the highest message that was sent before the entries of the segment, and
/// is here with a text that it got by one of them.
fn extras(recent: &Recent, order: &[(u64, u64, usize)], through: u64) -> Option<(u64, u64)> {
    let ids = order.iter().map(|(_, id, _)| *id);
    let earlier = ids.filter(|id| *id <= recent.from || *id > through);
    earlier.fold(None, |range, id| match range {
        None => Some((id, id)),
        Some((low, high)) => Some((id.min(low), id.max(high))),
    })
}

fn section(out: &[u8], begin: usize) -> Section {
    Section {
        begin: begin as u64,
        end: out.len() as u64,
    }
}

fn put_ids(out: &mut Vec<u8>, head: &mut Head, order: &[(u64, u64, usize)]) {
    let begin = out.len();
    let (mut held, mut bits) = (0_u128, 0);
    for (_, id, _) in order {
        held |= u128::from(id - head.low) << bits;
        bits += head.id_bits;
        while bits >= 8 {
            out.push(held as u8);
            held >>= 8;
            bits -= 8;
        }
    }
    if bits > 0 {
        out.push(held as u8);
    }
    head.sections[0] = section(out, begin);
}

fn put_chats(out: &mut Vec<u8>, head: &mut Head, order: &[(u64, u64, usize)]) {
    let begin = out.len();
    let mut places = Vec::new();
    let (mut first, mut before) = (0_u32, 0);
    for (at, chat) in order.chunk_by(|one, other| one.0 == other.0).enumerate() {
        let key = chat[0].0;
        if at % BLOCK == 0 {
            places.extend_from_slice(&key.to_le_bytes());
            places.extend_from_slice(&first.to_le_bytes());
            places.extend_from_slice(&((out.len() - begin) as u32).to_le_bytes());
            before = key;
        }
        put(out, key - before);
        put(out, chat.len() as u64);
        before = key;
        first += chat.len() as u32;
    }
    head.sections[1] = section(out, begin);
    let begin = out.len();
    out.extend_from_slice(&places);
    head.sections[2] = section(out, begin);
}

fn put_terms(
    out: &mut Vec<u8>,
    head: &mut Head,
    recent: &Recent,
    new_numbers: &[Option<u32>],
    turn: &mut dyn FnMut(),
) {
    let count = head.count as usize;
    let begin = out.len();
    let (mut terms, mut places, mut begins) = (Vec::new(), Vec::new(), Vec::new());
    let mut before: &[u8] = &[];
    let mut numbers: Vec<u32> = Vec::new();
    let mut written = 0;
    for (at, (term, old)) in recent.terms().enumerate() {
        if at % TERMS_A_TURN == 0 {
            turn();
        }
        numbers.clear();
        numbers.extend(old.iter().filter_map(|old| new_numbers[old as usize]));
        let Some(first) = numbers.first().copied() else {
            continue;
        };
        numbers.sort_unstable();
        if written % BLOCK == 0 {
            begins.push(places.len() as u32);
            places.extend_from_slice(&(terms.len() as u32).to_le_bytes());
            places.extend_from_slice(&((out.len() - begin) as u32).to_le_bytes());
            places.extend_from_slice(term);
            before = &[];
        }
        written += 1;
        let same = term
            .iter()
            .zip(before)
            .take_while(|(one, other)| one == other);
        let shared = same.count();
        put(&mut terms, shared as u64);
        put(&mut terms, (term.len() - shared) as u64);
        terms.extend_from_slice(&term[shared..]);
        put(&mut terms, numbers.len() as u64);
        if numbers.len() == 1 {
            put(&mut terms, u64::from(first));
        } else {
            let before = out.len();
            encode(&numbers, count, out);
            put(&mut terms, (out.len() - before) as u64);
        }
        before = term;
    }
    head.sections[3] = section(out, begin);
    let begin = out.len();
    out.extend_from_slice(&terms);
    head.sections[4] = section(out, begin);
    let begin = out.len();
    out.extend_from_slice(&places);
    for begin in begins {
        out.extend_from_slice(&begin.to_le_bytes());
    }
    head.sections[5] = section(out, begin);
    head.blocks = written.div_ceil(BLOCK) as u32;
}
