//! Pictures of JPEG XL in boxes (ISO 18181-2), which are not shown: the boxes of the picture are
//! kept, and every other is overwritten where it lies. Which side is up stands in the picture.
//! What a JPEG that was packed into it is made again from (`jbrd`) goes too, since that JPEG's
//! comments and notes are in it.

use super::boxes::{Medium, Sides, blank, some_places, wipe};
use super::clean::CleanError;

/// Overwrites what a picture of so many bytes tells of its maker. A damaged one ends at the damage.
pub(super) fn clean_jxl(file: &mut dyn Medium, length: u64) -> Result<Option<Sides>, CleanError> {
    let mut is_shown = false;
    let (level, end) = some_places(file, 0, length)?;
    for place in level {
        match &place.kind {
            b"JXL " | b"ftyp" | b"jxll" | b"jxli" => {}
            b"jxlc" | b"jxlp" => is_shown = true,
            _ => blank(file, place)?,
        }
    }
    wipe(file, end, length - end)?;
    match is_shown {
        // Its sides are in bits of the picture, and nothing but pictures that are shown has them.
        true => Ok(None),
        false => Err(CleanError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    const SECRET: &[u8] = b"52.52 N 13.40 E, garden of Ada";

    fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 8).unwrap().to_be_bytes();
        [&length[..], kind, body].concat()
    }

    fn cleaned(bytes: &[u8]) -> Result<Vec<u8>, Vec<u8>> {
        let mut file = Cursor::new(bytes.to_vec());
        let done = clean_jxl(&mut file, bytes.len() as u64);
        match done {
            Ok(_) => Ok(file.into_inner()),
            Err(_) => Err(file.into_inner()),
        }
    }

    fn head() -> Vec<u8> {
        let signed = boxed(b"JXL ", b"\r\n\x87\n");
        [signed, boxed(b"ftyp", b"jxl \0\0\0\0jxl ")].concat()
    }

    #[test]
    fn a_picture_of_jpeg_xl_does_not_say_where_it_was_taken() {
        let picture = boxed(b"jxlp", b"\0\0\0\0\xff\x0a begins");
        let last = [&[0, 0, 0, 0][..], b"jxlp", b"\x80\0\0\x01 ends"].concat();
        let told = [b"Exif", b"xml ", b"jumb", b"brob", b"jbrd"].map(|kind| boxed(kind, SECRET));
        let blank = boxed(b"free", &[0; SECRET.len()]);
        let whole = [&head()[..], &told.concat(), &picture, &told[0], &last].concat();
        let clean = [
            &head()[..],
            &blank.repeat(told.len()),
            &picture,
            &blank,
            &last,
        ];
        let clean = clean.concat();
        assert!(cleaned(&whole).unwrap() == clean);
        // What is clean already stays as it is.
        assert!(cleaned(&clean).unwrap() == clean);
    }

    #[test]
    fn what_lies_behind_the_damage_of_a_picture_of_jpeg_xl_is_gone() {
        let picture = boxed(b"jxlc", &[7; 60]);
        let whole = [&head()[..], &picture].concat();
        // Cut off, it keeps what has come.
        assert!(cleaned(&whole[..60]).unwrap() == whole[..60]);
        let behind = [&whole[..], b"\0\0\0\x01", SECRET].concat();
        let out = cleaned(&behind).unwrap();
        assert!(out[..whole.len()] == whole && out[whole.len()..].iter().all(|byte| *byte == 0));
        let none = [&head()[..], &boxed(b"Exif", SECRET)].concat();
        let blank = [&head()[..], &boxed(b"free", &[0; SECRET.len()])].concat();
        assert!(cleaned(&none).unwrap_err() == blank);
    }
}
