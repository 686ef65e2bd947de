//! Amounts of memory as people write them.

use crate::budget::MIN_MEMORY;

/// `--memory`: a number with or without a unit. Units are powers of 1,024, as those of systemd and
/// of Docker are.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let bytes = amount(text).ok_or("give an amount of memory such as 128MiB, 512M or 2GiB")?;
    if bytes < MIN_MEMORY {
        return Err(format!("give at least {}MiB", MIN_MEMORY >> 20));
    }
    Ok(bytes)
}

/// `--max-file`, `--files-quota`: the same of bytes on a disk.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    amount(text).ok_or_else(|| "give an amount of bytes such as 100MiB or 2GiB".to_owned())
}

fn amount(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let shift = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return None,
    };
    number.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_read_as_systemd_and_docker_write_it() {
        for (text, bytes) in [
            ("134217728", 128 << 20),
            ("128MiB", 128 << 20),
            ("128M", 128 << 20),
            ("128m", 128 << 20),
            ("128 mb", 128 << 20),
            ("262144k", 256 << 20),
            ("2GiB", 2 << 30),
            ("1T", 1 << 40),
            ("134217728b", 128 << 20),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in [
            "",
            "M",
            "-1G",
            "1.5G",
            "128X",
            "lots",
            "0",
            "63MiB",
            "1K",
            "99999999999999999999",
            "99999999999T",
            "1G1",
            "0x10000000",
        ] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
