//! Files that hang on messages: their names, their types, and the URLs that open them.

use std::borrow::Cow;
use std::fmt;
use std::hash::Hasher;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use siphasher::sip128::{Hasher128, SipHasher24};
use subtle::ConstantTimeEq;

use super::Timestamp;
use super::username::is_visible_in_url;

/// A message names at most so many files.
pub const MAX_ATTACHMENTS: usize = 10;
/// 255 bytes: what file systems give a name.
pub const MAX_FILE_NAME_BYTES: usize = 255;

/// 17 bytes: a dot, and an ending of so many letters at most; what is longer is none.
const MAX_ENDING_BYTES: usize = 17;

/// 500 characters: what is said of a picture in its place fits into a few sentences.
pub const MAX_ALT_CHARS: usize = 500;

/// One day: the windows with whose ends URLs expire.
const WINDOW: Duration = Duration::from_secs(24 * 60 * 60);

/// The name of a file in the folder and on the wire: 128 random bits, so that nobody guesses one,
/// and no file tells who else has the same. As text `f` and 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(u128);

/// A text that names no file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be the id of a file: f and 32 hexadecimal digits")]
pub struct FileIdError;

impl FileId {
    /// The id of these bits.
    pub const fn new(bits: u128) -> Self {
        Self(bits)
    }

    /// Its bits.
    pub const fn get(self) -> u128 {
        self.0
    }
}

/// Where the pictures of accounts and rooms are, relative to the server's root.
const PICTURES: &str = "api/avatars/";

/// Returns the URL of a picture that this server keeps, as an `avatar` has it.
pub fn picture_url(id: FileId) -> String {
    format!("{PICTURES}{id}")
}

/// Returns the picture that an `avatar` names; `None` where it is one from elsewhere.
pub fn picture_of(avatar: &str) -> Option<FileId> {
    avatar.strip_prefix(PICTURES)?.parse().ok()
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "f{:032x}", self.0)
    }
}

impl fmt::Debug for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileId({self})")
    }
}

impl FromStr for FileId {
    type Err = FileIdError;

    fn from_str(text: &str) -> Result<Self, FileIdError> {
        let digits = text.strip_prefix('f').ok_or(FileIdError)?;
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        // One text for each file, so that no two URLs are of one.
        if digits.len() != 32 || !digits.bytes().all(is_digit) {
            return Err(FileIdError);
        }
        let bits = u128::from_str_radix(digits, 16).map_err(|_| FileIdError)?;
        Ok(Self(bits))
    }
}

impl Serialize for FileId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FileId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for FileId {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "FileId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^f[0-9a-f]{32}$" })
    }
}

/// Writes the enum, its numbers in the data file and its media types from one table.
macro_rules! kinds {
    ($($(#[$about:meta])* $kind:ident = $number:literal, $name:literal, $in_place:literal;)*) => {
        /// The type of a file, as its first bytes tell it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum FileKind {
            $($(#[$about])* $kind,)*
        }

        impl FileKind {
            /// The number by which the data file knows it.
            pub const fn number(self) -> u8 {
                match self { $(Self::$kind => $number,)* }
            }

            /// The kind of this number.
            pub const fn numbered(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$kind),)* _ => None }
            }

            /// Its media type.
            pub const fn media_type(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }

            /// The kind of this media type.
            pub fn of_media_type(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$kind),)* _ => None }
            }

            /// Returns whether it is of a type that previews and pictures of people have.
            pub const fn is_small_picture(self) -> bool {
                matches!(self, Self::Jpeg | Self::Png | Self::Webp)
            }

            /// Returns whether a browser shows or plays it in its place, and can do nothing else
            /// with it.
            pub const fn is_shown_in_place(self) -> bool {
                match self { $(Self::$kind => $in_place,)* }
            }
        }
    };
}

kinds! {
    /// Anything that is not known here.
    Other = 0, "application/octet-stream", false;
    /// A picture.
    Jpeg = 1, "image/jpeg", true;
    /// A picture.
    Png = 2, "image/png", true;
    /// A picture.
    Gif = 3, "image/gif", true;
    /// A picture.
    Webp = 4, "image/webp", true;
    /// A picture.
    Avif = 5, "image/avif", true;
    /// A film, or sound.
    Mp4 = 6, "video/mp4", true;
    /// A film, or sound.
    Webm = 7, "video/webm", true;
    /// Sound.
    Mp3 = 8, "audio/mpeg", true;
    /// Sound, or a film.
    Ogg = 9, "audio/ogg", true;
    /// A document, which may hold scripts.
    Pdf = 10, "application/pdf", false;
}

/// A file that hangs on a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment<T = Arc<str>> {
    /// Its id.
    pub id: FileId,
    /// The name that its sender gave it.
    pub name: T,
    /// Its type.
    pub kind: FileKind,
    /// Its bytes.
    pub size: u64,
    /// Width and height of a picture, in pixels, as it is shown.
    pub dimensions: Option<(u32, u32)>,
    /// Whether its sender made a smaller picture of it.
    pub has_preview: bool,
    /// What its sender says is to be seen or heard in it, for those who do not see or hear it; at
    /// most [`MAX_ALT_CHARS`].
    pub alt: Option<T>,
    /// What opens it: there in what is told to people, and nowhere in the data file.
    pub opened_by: Option<FileKey>,
}

impl Attachment {
    /// A file of which only the id is known, and what its sender says of it: what a sender names.
    pub fn named(id: FileId, alt: Option<Arc<str>>) -> Self {
        Self {
            id,
            name: "".into(),
            kind: FileKind::Other,
            size: 0,
            dimensions: None,
            has_preview: false,
            alt,
            opened_by: None,
        }
    }
}

impl<T: AsRef<str>> Attachment<T> {
    /// Returns the same with its name copied.
    pub fn to_shared(&self) -> Attachment {
        Attachment {
            id: self.id,
            name: self.name.as_ref().into(),
            kind: self.kind,
            size: self.size,
            dimensions: self.dimensions,
            has_preview: self.has_preview,
            alt: self.alt.as_ref().map(|alt| alt.as_ref().into()),
            opened_by: self.opened_by,
        }
    }
}

/// Returns whether a text says what is in a file: it is not blank and has at most
/// [`MAX_ALT_CHARS`].
pub fn is_alt(text: &str) -> bool {
    !text.trim().is_empty() && text.chars().nth(MAX_ALT_CHARS).is_none()
}

/// Returns the text that stands for a message without one: the names of its files.
pub fn names_of<T: AsRef<str>>(attachments: &[Attachment<T>]) -> String {
    let names: Vec<&str> = attachments.iter().map(|file| file.name.as_ref()).collect();
    names.join(", ")
}

/// Returns the name that is kept of one that was given: without folders before it and without
/// control characters, `file` where nothing is left, cut to [`MAX_FILE_NAME_BYTES`] before its
/// ending.
pub fn file_name(given: &str) -> String {
    let last = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let seen = |c: &char| !c.is_control() && !is_direction(*c);
    let name: String = last.chars().filter(seen).collect();
    match shortened(name.trim()).trim() {
        "" | "." | ".." => "file".to_owned(),
        name if !name.chars().any(is_visible_in_url) => "file".to_owned(),
        name => name.to_owned(),
    }
}

/// Returns a name cut to [`MAX_FILE_NAME_BYTES`], with its ending: by that systems know what opens
/// a file.
fn shortened(name: &str) -> Cow<'_, str> {
    if name.len() <= MAX_FILE_NAME_BYTES {
        return name.into();
    }
    let ending = name.rfind('.').map_or("", |at| &name[at..]);
    let ending = match ending.len() {
        2..=MAX_ENDING_BYTES => ending,
        _ => "",
    };
    let mut end = MAX_FILE_NAME_BYTES - ending.len();
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{ending}", &name[..end]).into()
}

/// Returns whether a character turns the direction of a text: by one, `exe.gnp` is shown as a
/// picture's name.
const fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// What opens a file until a time: the end of a window, so that a file's URL stays the same for a
/// day, and a MAC over the file, its name and that end. As text: the number of the day, a dot, and
/// 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileKey {
    day: u64,
    mac: u128,
}

impl fmt::Display for FileKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:032x}", self.day, self.mac)
    }
}

/// Signs the URLs of files, and knows them again.
#[derive(Clone, Copy, Default)]
pub struct FileSigner([u8; 16]);

impl FileSigner {
    /// Signs by this key, which is the data file's secret.
    pub const fn new(key: [u8; 16]) -> Self {
        Self(key)
    }

    /// Signs by a key that follows from the secret of the data file, and that shows nothing of it.
    pub fn derived(secret: &[u8]) -> Self {
        use sha2::{Digest, Sha256};
        let digest = Sha256::new()
            .chain_update(b"chatd: URLs of files\0")
            .chain_update(secret)
            .finalize();
        let mut key = [0; 16];
        key.copy_from_slice(&digest[..16]);
        Self(key)
    }

    fn mac(&self, day: u64, id: FileId, name: &str) -> u128 {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write(&day.to_le_bytes());
        hasher.write(&id.get().to_le_bytes());
        hasher.write(name.as_bytes());
        hasher.finish128().as_u128()
    }

    /// Returns what opens this file for a day from now, and for two at most.
    pub fn sign(&self, now: Timestamp, id: FileId, name: &str) -> FileKey {
        let day = day_of(now) + 2;
        let mac = self.mac(day, id, name);
        FileKey { day, mac }
    }

    /// Returns until when `key` opens this file; `None` where it does not, or no more.
    pub fn verify(&self, now: Timestamp, id: FileId, name: &str, key: &str) -> Option<Timestamp> {
        let (day, mac) = key.split_once('.')?;
        let (day, stated) = (day.parse().ok()?, u128::from_str_radix(mac, 16).ok()?);
        let right = self.mac(day, id, name).to_le_bytes();
        let is_right = bool::from(right.ct_eq(&stated.to_le_bytes()));
        let is_known = is_right && FileKey { day, mac: stated }.to_string() == key;
        let until = Timestamp::from_ms(day.checked_mul(window_ms())?);
        (is_known && now < until).then_some(until)
    }
}

const fn window_ms() -> u64 {
    WINDOW.as_secs() * 1_000
}

/// Returns the number of the day in UTC, counted from 1970.
pub fn day_of(now: Timestamp) -> u64 {
    now.as_ms() / window_ms()
}

impl<T: AsRef<str>> Attachment<T> {
    /// Returns its URL, relative to the server's root; without what opens it, where that was not
    /// put here.
    pub fn url(&self) -> String {
        self.url_of("")
    }

    /// Returns the URL of the smaller picture, where there is one.
    pub fn preview_url(&self) -> Option<String> {
        self.has_preview.then(|| self.url_of("/preview"))
    }

    fn url_of(&self, what: &str) -> String {
        let name = PathSegment(self.name.as_ref());
        match self.opened_by {
            Some(key) => format!("api/files/{}/{name}{what}?k={key}", self.id),
            None => format!("api/files/{}/{name}{what}", self.id),
        }
    }
}

/// A text as one segment of a URL's path.
pub struct PathSegment<'a>(pub &'a str);

impl fmt::Display for PathSegment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A segment of dots alone is no name to a browser.
        let is_dots = matches!(self.0, "." | "..");
        for byte in self.0.bytes() {
            let is_plain = byte.is_ascii_alphanumeric() || b"-_~".contains(&byte);
            match is_plain || byte == b'.' && !is_dots {
                true => write!(f, "{}", char::from(byte))?,
                false => write!(f, "%{byte:02X}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * 60 * 60 * 1_000;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_ms(ms)
    }

    #[test]
    fn an_id_has_one_text() {
        let id = FileId::new(0xab);
        let text = format!("f{}ab", "0".repeat(30));
        assert_eq!(id.to_string(), text);
        assert_eq!(text.parse(), Ok(id));
        let upper = text.to_uppercase();
        let long = format!("{text}0");
        for wrong in [
            "",
            "f",
            &text[1..],
            &upper,
            &long,
            "f+000000000000000000000000000000a",
        ] {
            assert_eq!(wrong.parse::<FileId>(), Err(FileIdError), "{wrong}");
        }
    }

    #[test]
    fn a_url_stays_the_same_for_a_day_and_opens_its_file_for_one_to_two() {
        let signer = FileSigner::new([7; 16]);
        let (id, name) = (FileId::new(9), "trip.jpg");
        let morning = signer.sign(at(10 * DAY), id, name);
        let evening = signer.sign(at(11 * DAY - 1), id, name);
        assert_eq!(morning, evening);
        assert_ne!(morning, signer.sign(at(11 * DAY), id, name));
        let key = morning.to_string();
        let opens = |signer: FileSigner, now, id, name, key: &str| {
            signer.verify(now, id, name, key).map(Timestamp::as_ms)
        };
        for (now, until) in [
            (10 * DAY, Some(12 * DAY)),
            (12 * DAY - 1, Some(12 * DAY)),
            (12 * DAY, None),
        ] {
            assert_eq!(opens(signer, at(now), id, name, &key), until, "{now}");
        }
        let now = at(10 * DAY);
        assert_eq!(opens(signer, now, FileId::new(8), name, &key), None);
        assert_eq!(opens(signer, now, id, "trip.png", &key), None);
        assert_eq!(opens(FileSigner::new([8; 16]), now, id, name, &key), None);
        let later = key.replacen("12.", "13.", 1);
        let plus = key.replacen("12.", "+12.", 1);
        for wrong in ["", "12", "12.", ".", &later, &plus, &key[..key.len() - 1]] {
            assert_eq!(opens(signer, now, id, name, wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_name_is_kept_without_folders_and_without_what_is_not_seen() {
        let long = "é".repeat(200);
        for (given, kept) in [
            ("trip.jpg", "trip.jpg"),
            ("C:\\fotos\\trip.jpg", "trip.jpg"),
            ("../../etc/passwd", "passwd"),
            ("a\r\nb\u{0}.txt", "ab.txt"),
            ("gnp.\u{202e}exe", "gnp.exe"),
            (" наш отпуск.jpg ", "наш отпуск.jpg"),
            ("", "file"),
            ("..", "file"),
            ("x/", "file"),
            ("\u{200b}\u{2060}", "file"),
        ] {
            assert_eq!(file_name(given), kept, "{given:?}");
        }
        assert_eq!(file_name(&long).len(), 254);
    }

    #[test]
    fn a_long_name_is_cut_before_its_ending() {
        for (given, kept) in [
            (
                format!("{}.pdf", "a".repeat(300)),
                format!("{}.pdf", "a".repeat(251)),
            ),
            (
                format!("{}.jpeg", "é".repeat(300)),
                format!("{}.jpeg", "é".repeat(125)),
            ),
            (format!("{}.", "a".repeat(300)), "a".repeat(255)),
            (
                format!("a.{}", "b".repeat(300)),
                format!("a.{}", "b".repeat(253)),
            ),
            (
                format!("{}.pdf", "a".repeat(251)),
                format!("{}.pdf", "a".repeat(251)),
            ),
        ] {
            assert_eq!(file_name(&given), kept);
            assert_eq!(file_name(&kept), kept);
        }
    }

    #[test]
    fn a_name_of_any_script_is_a_segment_of_a_path() {
        let mut file = Attachment::named(FileId::new(1), None);
        file.name = "a b/ü?.jpg".into();
        let id = file.id;
        assert_eq!(file.url(), format!("api/files/{id}/a%20b%2F%C3%BC%3F.jpg"));
        assert_eq!(file.preview_url(), None);
        file.has_preview = true;
        file.opened_by = Some(FileSigner::default().sign(at(0), id, &file.name));
        let url = file.preview_url().unwrap();
        assert!(url.contains(".jpg/preview?k=2."), "{url}");
    }

    #[test]
    fn every_kind_is_found_by_its_number_and_by_its_media_type() {
        let mut count = 0;
        for kind in (0..=u8::MAX).filter_map(FileKind::numbered) {
            assert_eq!(FileKind::numbered(kind.number()), Some(kind));
            assert_eq!(FileKind::of_media_type(kind.media_type()), Some(kind));
            count += 1;
        }
        assert_eq!(count, 11);
    }
}
