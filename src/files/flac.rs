//! Metadata of FLAC (RFC 9639, section 8) where another container has it beside its track: blocks
//! are kept that the sound is decoded and searched by, and every other becomes one that pads.

/// What describes the sound, and must be the first.
const STREAM: u8 = 0;
const PADDING: u8 = 1;
const SEEKING: u8 = 3;
/// A block's head: its kind, with the mark of the last, and its length.
const HEAD: usize = 4;

/// Overwrites what blocks of metadata tell of their maker: titles, places, pictures. Returns
/// whether they are such blocks; of others it is not known what they say.
pub(super) fn blank_flac(blocks: &mut [u8]) -> bool {
    let mut at = 0;
    while let Some(&[first, a, b, c]) = blocks.get(at..).and_then(<[u8]>::first_chunk) {
        let (kind, last) = (first & 0x7f, first & 0x80);
        if at == 0 && kind != STREAM {
            return false;
        }
        let end = at + HEAD + u32::from_be_bytes([0, a, b, c]) as usize;
        let Some(block) = blocks.get_mut(at..end) else {
            return false;
        };
        if !matches!(kind, STREAM | SEEKING) {
            block[0] = last | PADDING;
            block[HEAD..].fill(0);
        }
        at = end;
        if last != 0 {
            blocks[at..].fill(0);
            return true;
        }
    }
    // Programs forget to mark the last.
    at > 0 && at == blocks.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(kind: u8, body: &[u8]) -> Vec<u8> {
        [&[kind, 0, 0, body.len() as u8][..], body].concat()
    }

    #[test]
    fn only_what_decodes_the_sound_is_left_of_its_metadata() {
        let stream = block(0, &[7; 34]);
        let seeking = block(3, &[8; 18]);
        for last in [0, 0x80] {
            let place = b"LOCATION=52.52 N";
            let told = [
                &stream[..],
                &block(4, place),
                &seeking,
                &block(2, place),
                &block(6 | last, place),
            ];
            let blank = |kind| block(kind, &[0; 16]);
            let silent = [
                &stream[..],
                &blank(1),
                &seeking,
                &blank(1),
                &blank(1 | last),
            ];
            let mut blocks = told.concat();
            assert!(blank_flac(&mut blocks));
            assert_eq!(blocks, silent.concat());
        }
    }

    #[test]
    fn what_is_no_metadata_of_flac_is_not_taken_for_it() {
        let stream = block(0, &[7; 34]);
        for blocks in [
            Vec::new(),
            block(4, b"LOCATION=52.52 N"),
            stream[..20].to_vec(),
            [&stream[..], &block(4, b"LOCATION")[..6]].concat(),
            [&stream[..], b"\x04\0\0"].concat(),
        ] {
            assert!(!blank_flac(&mut blocks.clone()), "{blocks:?}");
        }
    }
}
