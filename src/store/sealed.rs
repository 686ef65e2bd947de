//! How every value of the data file is written: a checksum, and within it numbers as varints.
//!
//! A sealed value is the CRC-32C (u32, little-endian) of key and body, then the body.

use crate::store::error::StoreError;

/// Puts the checksum of `key` and `body` before the body.
pub(crate) fn seal(key: u64, body: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(4 + body.len());
    sealed.extend_from_slice(&checksum(key, body).to_le_bytes());
    sealed.extend_from_slice(body);
    sealed
}

/// The body of a sealed value whose checksum holds; `table` goes into the error of one that does
/// not.
pub(crate) fn unseal<'a>(
    table: &'static str,
    key: u64,
    sealed: &'a [u8],
) -> Result<&'a [u8], StoreError> {
    match sealed.split_first_chunk::<4>() {
        Some((sum, body)) if u32::from_le_bytes(*sum) == checksum(key, body) => Ok(body),
        _ => Err(StoreError::Damaged { table, key }),
    }
}

/// [`seal`] for a key of one number or several.
pub(crate) fn seal_under(key: &[u64], body: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(4 + body.len());
    sealed.extend_from_slice(&checksum_under(key, body).to_le_bytes());
    sealed.extend_from_slice(body);
    sealed
}

/// Returns the body that was sealed under such a key; `None` where the checksum does not hold.
pub(crate) fn unseal_under<'a>(key: &[u64], sealed: &'a [u8]) -> Option<&'a [u8]> {
    let (sum, body) = sealed.split_first_chunk::<4>()?;
    (u32::from_le_bytes(*sum) == checksum_under(key, body)).then_some(body)
}

fn checksum_under(key: &[u64], body: &[u8]) -> u32 {
    let of_key = key.iter().fold(0, |sum, number| {
        crc32c::crc32c_append(sum, &number.to_le_bytes())
    });
    crc32c::crc32c_append(of_key, body)
}

/// Returns the checksum of a key and a body.
pub(crate) fn checksum(key: u64, body: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&key.to_le_bytes()), body)
}

/// Appends an unsigned LEB128 varint.
pub(crate) fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// What of a body is still to be read.
pub(crate) struct Rest<'a>(pub(crate) &'a [u8]);

impl<'a> Rest<'a> {
    /// The next varint.
    #[inline]
    pub(crate) fn take(&mut self) -> Option<u64> {
        match self.0.split_first() {
            // Most have one byte.
            Some((&byte, rest)) if byte < 0x80 => {
                self.0 = rest;
                Some(byte.into())
            }
            _ => self.take_long(),
        }
    }

    fn take_long(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    /// The next so many bytes.
    pub(crate) fn take_bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }
}
