//! The one thing that is kept of a picture's metadata: which side is up.

/// The tag of the orientation.
const ORIENTATION: u16 = 0x0112;
/// A number of 16 bits, as a type of a value.
const SHORT: u16 = 3;

/// Returns the orientation that a TIFF structure tells (Exif 2.32, section 4.6): 2 to 8, `None` for
/// the usual one, and for a structure that is none.
pub(super) fn orientation(tiff: &[u8]) -> Option<u8> {
    let is_little = match tiff.get(..4)? {
        b"II*\0" => true,
        b"MM\0*" => false,
        _ => return None,
    };
    let short = |at: usize| {
        let bytes = tiff.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(match is_little {
            true => u16::from_le_bytes(bytes),
            false => u16::from_be_bytes(bytes),
        })
    };
    let long = |at: usize| {
        let bytes = tiff.get(at..at.checked_add(4)?)?.try_into().ok()?;
        let long = match is_little {
            true => u32::from_le_bytes(bytes),
            false => u32::from_be_bytes(bytes),
        };
        usize::try_from(long).ok()
    };
    let first = long(4)?;
    let count = usize::from(short(first)?);
    let entries = (0..count).map(|entry| first + 2 + 12 * entry);
    for entry in entries {
        if short(entry)? == ORIENTATION && short(entry + 2)? == SHORT {
            let value = u8::try_from(short(entry + 8)?).ok()?;
            return (2..=8).contains(&value).then_some(value);
        }
    }
    None
}

/// Returns a TIFF structure that tells this orientation and nothing else.
pub(super) fn tiff_of(orientation: u8) -> Vec<u8> {
    let mut tiff = b"MM\0*\0\0\0\x08\0\x01".to_vec();
    tiff.extend_from_slice(&ORIENTATION.to_be_bytes());
    tiff.extend_from_slice(&SHORT.to_be_bytes());
    tiff.extend_from_slice(&[0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0]);
    tiff
}

/// Returns width and height as they are shown: from 5 on the picture lies on its side.
pub(super) fn turned((width, height): (u32, u32), orientation: Option<u8>) -> (u32, u32) {
    match orientation.is_some_and(|orientation| orientation >= 5) {
        true => (height, width),
        false => (width, height),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_orientation_is_read_in_either_order_of_bytes_and_is_all_that_is_written() {
        for value in 0..=9 {
            let tiff = tiff_of(value);
            let expected = (2..=8).contains(&value).then_some(value);
            assert_eq!(orientation(&tiff), expected);
            let mut little = b"II*\0\x08\0\0\0\x02\0".to_vec();
            little.extend_from_slice(&[0x0f, 1, 2, 0, 4, 0, 0, 0, b'A', b'c', b'm', 0]);
            little.extend_from_slice(&[0x12, 1, 3, 0, 1, 0, 0, 0, value, 0, 0, 0]);
            assert_eq!(orientation(&little), expected);
        }
        assert_eq!(tiff_of(6).len(), 26);
        assert_eq!(turned((4, 3), Some(6)), (3, 4));
        assert_eq!(turned((4, 3), Some(3)), (4, 3));
    }

    #[test]
    fn a_structure_that_lies_tells_nothing() {
        let tiff = tiff_of(6);
        for end in 0..20 {
            assert_eq!(orientation(&tiff[..end]), None, "{end}");
        }
        assert_eq!(orientation(b"II*\0\xff\xff\xff\xff"), None);
        assert_eq!(orientation(b"MM\0*\xff\xff\xff\xfe"), None);
    }
}
