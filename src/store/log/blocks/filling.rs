//! Blocks in the making: entries in their order, cut where a page is full.

use super::block::{BLOCK_BYTES, Block, ID, PLACE};

/// The blocks that are made, and the one in the making.
#[derive(Debug)]
pub(super) struct Filling {
    /// The id of the first entry of the block in the making.
    first: u64,
    /// How many entries it has.
    count: usize,
    /// Where each of its entries but the first begins.
    begins: Vec<u8>,
    /// The blocks that are made, and the entries of the one in the making.
    bytes: Vec<u8>,
    /// Of each block that is made the last entry, and where it ends.
    made: Vec<(u64, usize)>,
}

impl Filling {
    /// Returns an empty one, with room for so many `bytes` of entries beside a block that it goes
    /// on with.
    pub(super) fn with_room(bytes: usize) -> Self {
        Self {
            first: 0,
            count: 0,
            begins: Vec::new(),
            bytes: Vec::with_capacity(BLOCK_BYTES + bytes + bytes / 16),
            made: Vec::with_capacity(bytes / BLOCK_BYTES),
        }
    }

    /// Begins with the entries of a block, as the first that is made.
    pub(super) fn go_on_with(&mut self, block: &Block<'_>) {
        (self.first, self.count) = (block.first, block.count());
        self.begins.extend_from_slice(block.begins.as_flattened());
        self.bytes.extend_from_slice(block.entries);
    }

    /// Appends an entry. Its id follows the last one's, or there is a gap, and another block
    /// begins.
    pub(super) fn push(&mut self, id: u64, sealed: &[u8]) {
        if self.count > 0 {
            let filled = self.bytes.len() - self.made.last().map_or(0, |(_, end)| *end);
            let bytes = filled + sealed.len() + (self.count + 1) * PLACE + ID;
            if id == self.first + self.count as u64 && bytes <= BLOCK_BYTES {
                let begin = u16::try_from(filled).expect("a block of several is shorter");
                self.begins.extend_from_slice(&begin.to_le_bytes());
            } else {
                self.end_block();
            }
        }
        if self.count == 0 {
            self.first = id;
        }
        self.bytes.extend_from_slice(sealed);
        self.count += 1;
    }

    fn end_block(&mut self) {
        let count = u16::try_from(self.count).expect("a block has fewer entries than bytes");
        self.bytes.append(&mut self.begins);
        self.bytes.extend_from_slice(&count.to_le_bytes());
        self.bytes.extend_from_slice(&self.first.to_le_bytes());
        let last = self.first + self.count as u64 - 1;
        self.made.push((last, self.bytes.len()));
        self.count = 0;
    }

    /// Ends the last block, and returns how many there are.
    pub(super) fn finish(&mut self) -> usize {
        if self.count > 0 {
            self.end_block();
        }
        self.made.len()
    }

    /// Returns of a block that is made the id of its last entry, and its value.
    pub(super) fn row(&self, place: usize) -> (u64, &[u8]) {
        let begin = place.checked_sub(1).map_or(0, |at| self.made[at].1);
        let (last, end) = self.made[place];
        (last, &self.bytes[begin..end])
    }
}
