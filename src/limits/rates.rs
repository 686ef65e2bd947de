//! Rates, and the words by which an operator sets them.

use std::str::FromStr;
use std::time::Duration;

use super::kinds::Kind;

/// So many a time, and so many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate {
    pub(super) count: u32,
    pub(super) per: Duration,
    pub(super) burst: u32,
}

/// The rate of each kind; a kind without one is not limited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rates {
    pub(super) rates: [Option<Rate>; Kind::ALL.len()],
}

impl Rates {
    /// Nothing is limited.
    pub const fn off() -> Self {
        Self {
            rates: [None; Kind::ALL.len()],
        }
    }

    /// With this changed.
    pub fn set(&mut self, setting: Setting) {
        match setting {
            Setting::Off => *self = Self::off(),
            Setting::Rate(kind, rate) => self.rates[kind as usize] = rate.0,
        }
    }
}

/// One word of the command line: `off`, `messages=off`, or `messages=20/s:200`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// Nothing is limited.
    Off,
    /// This kind is limited so.
    Rate(Kind, SetRate),
}

/// The setting of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetRate(Option<Rate>);

/// A setting that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "give off, or a kind and a rate such as messages=20/s:200 (20 a second, 200 at once; s, min or h) or typing=off; \
     kinds are messages, typing, requests, rooms, members, pushes, logins, passwords, names, registrations, reports, exports, connections, handshakes and hooks"
)]
pub struct SettingError;

impl FromStr for Setting {
    type Err = SettingError;

    fn from_str(text: &str) -> Result<Self, SettingError> {
        if text == "off" {
            return Ok(Self::Off);
        }
        let (name, rate) = text.split_once('=').ok_or(SettingError)?;
        let kind = Kind::ALL.iter().find(|kind| kind.as_str() == name);
        let kind = *kind.ok_or(SettingError)?;
        if rate == "off" {
            return Ok(Self::Rate(kind, SetRate(None)));
        }
        let number = |text: &str| {
            let number: u32 = text.parse().map_err(|_| SettingError)?;
            (1..=1_000_000)
                .contains(&number)
                .then_some(number)
                .ok_or(SettingError)
        };
        let (rate, burst) = match rate.split_once(':') {
            Some((rate, burst)) => (rate, Some(number(burst)?)),
            None => (rate, None),
        };
        let (count, unit) = rate.split_once('/').ok_or(SettingError)?;
        let count = number(count)?;
        let per = Duration::from_secs(match unit {
            "s" => 1,
            "min" => 60,
            "h" => 3_600,
            _ => return Err(SettingError),
        });
        // Without a word on it, what may come in one unit of time may come at once.
        let burst = burst.unwrap_or(count);
        let rate = Rate { count, per, burst };
        Ok(Self::Rate(kind, SetRate(Some(rate))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_read_or_refused_whole() {
        let rate = |count, secs, burst| {
            SetRate(Some(Rate {
                count,
                per: Duration::from_secs(secs),
                burst,
            }))
        };
        for (text, setting) in [
            ("off", Setting::Off),
            (
                "messages=20/s",
                Setting::Rate(Kind::Messages, rate(20, 1, 20)),
            ),
            (
                "logins=10/min:50",
                Setting::Rate(Kind::Logins, rate(10, 60, 50)),
            ),
            (
                "registrations=5/h",
                Setting::Rate(Kind::Registrations, rate(5, 3_600, 5)),
            ),
            ("typing=off", Setting::Rate(Kind::Typing, SetRate(None))),
        ] {
            assert_eq!(text.parse(), Ok(setting), "{text}");
        }
        for text in [
            "",
            "on",
            "messages",
            "messages=",
            "messages=20",
            "messages=0/s",
            "messages=20/d",
            "messages=20/s:",
            "messages=20/s:0",
            "messages=-1/s",
            "messages=1.5/s",
            "mails=20/s",
            "messages=20/s:1:2",
            "messages = 20/s",
        ] {
            assert_eq!(text.parse::<Setting>(), Err(SettingError), "{text}");
        }
    }

    #[test]
    fn the_error_names_every_kind() {
        let text = SettingError.to_string();
        for kind in Kind::ALL {
            assert!(text.contains(kind.as_str()), "{}", kind.as_str());
        }
    }
}
