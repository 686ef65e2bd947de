//! What goes on beside the messages, by REST: pages of history and searches on one thread, files
//! that are uploaded and downloaded again on another one.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::talk::Random;

use super::door::{Door, Stage};
use super::http::Request;
use super::words::some_word;

/// How large a file is, at least and at most.
const SIZES: [f64; 2] = [100e3, 3e6];
/// A resumable upload comes in so many pieces.
const PIECES: usize = 3;
const TUS: &str = "Tus-Resumable: 1.0.0\r\n";
/// How often the threads look whether the run is over.
const LOOK: Duration = Duration::from_millis(100);

/// A file that was uploaded, and is to be sent.
pub(crate) struct Uploaded {
    pub(crate) who: usize,
    pub(crate) file: String,
}

/// A file that came with a message.
pub(crate) struct Shown {
    pub(crate) file: String,
    pub(crate) url: String,
}

/// What was asked and answered.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) pages: AtomicU64,
    pub(crate) searches: AtomicU64,
    /// Searches that found something.
    pub(crate) found: AtomicU64,
    /// Uploads under way.
    pub(crate) uploading: AtomicU64,
    pub(crate) uploads: AtomicU64,
    pub(crate) uploaded_bytes: AtomicU64,
    pub(crate) downloads: AtomicU64,
    /// Pages that were none, files that could not be uploaded or had other bytes.
    pub(crate) wrong: AtomicU64,
}

impl Counts {
    pub(crate) fn get(count: &AtomicU64) -> u64 {
        count.load(Ordering::SeqCst)
    }

    fn add(count: &AtomicU64, more: u64) {
        count.fetch_add(more, Ordering::SeqCst);
    }
}

/// What both threads know.
#[derive(Clone)]
pub(crate) struct Side {
    pub(crate) door: Arc<Door>,
    pub(crate) counts: Arc<Counts>,
    /// Of everybody.
    pub(crate) tokens: Arc<Vec<String>>,
}

/// How often something is done.
#[derive(Clone, Copy)]
pub(crate) struct Every {
    next: Instant,
    period: Duration,
}

impl Every {
    /// So many a second; never, where that is 0.
    pub(crate) fn second(rate: f64) -> Self {
        let period = Duration::try_from_secs_f64(1.0 / rate).unwrap_or(Duration::MAX / 4);
        Self {
            next: Instant::now() + period.min(Duration::from_secs(86_400)),
            period,
        }
    }

    /// Whether it is due. What was due meanwhile and could not be done is left out.
    pub(crate) fn is_due(&mut self, now: Instant) -> bool {
        let is_due = now >= self.next;
        if is_due {
            self.next = (self.next + self.period).max(now);
        }
        is_due
    }
}

impl Side {
    /// Asks for pages and searches, so many a second each, of people and rooms of these ids.
    pub(crate) fn read(&self, [pages, searches]: [f64; 2], chats: &[Vec<String>]) {
        let (mut pages, mut searches) = (Every::second(pages), Every::second(searches));
        let mut random = Random(3);
        while self.door.stage() == Stage::Running {
            let now = Instant::now();
            let who = (random.next() % chats.len() as u64) as usize;
            if pages.is_due(now) {
                let paths = &chats[who];
                let path = &paths[(random.next() % paths.len() as u64) as usize];
                self.page(who, path, &mut random);
            }
            if searches.is_due(now) {
                self.search(who, &some_word(&mut random));
            }
            let next = pages.next.min(searches.next);
            std::thread::sleep(next.saturating_duration_since(Instant::now()).min(LOOK));
        }
    }

    /// The rows of an answer; `None` where it is none.
    fn rows(&self, who: usize, path: &str) -> Option<Vec<Value>> {
        let answer = self
            .door
            .ask(&Request::get(path, Some(&self.tokens[who])))?;
        let mut rows = serde_json::from_slice::<Value>(&answer.body).ok();
        let rows = rows.as_mut().map(|answer| answer["data"].take());
        match rows {
            Some(Value::Array(rows)) if answer.status == 200 => Some(rows),
            _ => {
                eprintln!("{path}: {} in place of rows", answer.status);
                Counts::add(&self.counts.wrong, 1);
                None
            }
        }
    }

    /// Asks for the newest page, and sometimes for one from anywhere before it.
    fn page(&self, who: usize, path: &str, random: &mut Random) {
        let newest = self.one_page(who, path);
        let picked = random.next();
        if let Some(newest) = newest.filter(|_| picked.is_multiple_of(4)) {
            let before = random.next() % newest + 1;
            self.one_page(who, &format!("{path}&before={before}"));
        }
    }

    /// Asks for one page; gives the id of its newest message.
    fn one_page(&self, who: usize, path: &str) -> Option<u64> {
        let rows = self.rows(who, path)?;
        Counts::add(&self.counts.pages, 1);
        let ids: Vec<_> = rows.iter().map(|row| row["id"].as_u64()).collect();
        if !ids.is_sorted() {
            eprintln!("{path}: its ids do not ascend");
            Counts::add(&self.counts.wrong, 1);
        }
        ids.last().copied().flatten().filter(|id| *id > 0)
    }

    fn search(&self, who: usize, word: &str) {
        if let Some(rows) = self.rows(who, &format!("/api/search?q={word}&limit=20")) {
            Counts::add(&self.counts.searches, 1);
            Counts::add(&self.counts.found, u64::from(!rows.is_empty()));
        }
    }

    /// Uploads so many files a second, each by one of these, and downloads what is shown.
    pub(crate) fn carry(
        &self,
        rate: f64,
        who: &[usize],
        uploaded: &Sender<Uploaded>,
        shown: &Receiver<Shown>,
    ) {
        let mut every = Every::second(rate);
        let mut sizes = HashMap::new();
        let mut random = Random(5);
        let mut number = 0;
        while self.door.stage() != Stage::Over {
            let is_due = !who.is_empty() && every.is_due(Instant::now());
            Counts::add(&self.counts.uploading, 1);
            if is_due && self.door.stage() == Stage::Running {
                number += 1;
                let by = who[(random.next() % who.len() as u64) as usize];
                let [least, most] = SIZES;
                let size = (least * (most / least).powf(random.unit())) as usize;
                let file = self.upload(by, number, size);
                if let Some(file) = file {
                    sizes.insert(file.clone(), (number, size));
                    // The run waits for what is counted, so it is counted first.
                    Counts::add(&self.counts.uploads, 1);
                    Counts::add(&self.counts.uploaded_bytes, size as u64);
                    let _ = uploaded.send(Uploaded { who: by, file });
                }
            }
            self.counts.uploading.store(0, Ordering::SeqCst);
            let wait = every.next.saturating_duration_since(Instant::now());
            match shown.recv_timeout(wait.min(LOOK)) {
                Ok(shown) => self.download(&shown, sizes.remove(&shown.file)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Every second file in one request, the others in pieces.
    fn upload(&self, who: usize, number: u64, size: usize) -> Option<String> {
        let bytes = bytes(number, size);
        let file = match number % 2 {
            0 => self.upload_whole(who, number, &bytes),
            _ => self.upload_in_pieces(who, &bytes),
        };
        if file.is_none() && self.door.stage() == Stage::Running {
            eprintln!("a file of {size} bytes could not be uploaded");
            Counts::add(&self.counts.wrong, 1);
        }
        file
    }

    fn upload_whole(&self, who: usize, number: u64, bytes: &[u8]) -> Option<String> {
        let answer = self.door.ask(&Request {
            method: "POST",
            path: &format!("/api/uploads?name=soak-{number}.bin"),
            token: Some(&self.tokens[who]),
            headers: "",
            body: bytes,
        })?;
        (answer.status == 201)
            .then(|| answer.header("upload-file").map(str::to_owned))
            .flatten()
    }

    /// By tus: a restart amid it costs a piece, not the file.
    fn upload_in_pieces(&self, who: usize, bytes: &[u8]) -> Option<String> {
        let token = Some(self.tokens[who].as_str());
        // The name is `soak.bin`.
        let length = bytes.len();
        let made = self.door.ask(&Request {
            method: "POST",
            path: "/api/uploads",
            token,
            headers: &format!(
                "{TUS}Upload-Length: {length}\r\nUpload-Metadata: filename c29hay5iaW4=\r\n"
            ),
            body: b"",
        })?;
        let location = made.header("location")?;
        let path = format!("/api/uploads/{}", location.rsplit('/').next()?);
        loop {
            let head = self.door.ask(&Request {
                method: "HEAD",
                path: &path,
                token,
                headers: TUS,
                body: b"",
            })?;
            let offset: usize = head.header("upload-offset")?.parse().ok()?;
            if let Some(file) = head.header("upload-file") {
                return Some(file.to_owned());
            }
            let to = (offset + length.div_ceil(PIECES)).min(length);
            let answer = self.door.ask_once(&Request {
                method: "PATCH",
                path: &path,
                token,
                headers: &format!(
                    "{TUS}Upload-Offset: {offset}\r\nContent-Type: application/offset+octet-stream\r\n"
                ),
                body: bytes.get(offset..to)?,
            });
            // Where there is no answer, the offset says what has come.
            if answer.is_some_and(|answer| answer.status != 204) {
                return None;
            }
        }
    }

    fn download(&self, shown: &Shown, known: Option<(u64, usize)>) {
        let Some((number, size)) = known else {
            eprintln!(
                "{}: no such file was uploaded, or it came twice",
                shown.file
            );
            return Counts::add(&self.counts.wrong, 1);
        };
        let path = format!("/{}", shown.url);
        let answer = self.door.ask(&Request::get(&path, None));
        let status = answer.as_ref().map(|answer| answer.status);
        if answer.is_none_or(|answer| answer.status != 200 || answer.body != bytes(number, size)) {
            eprintln!("{path}: {status:?}, or other bytes");
            Counts::add(&self.counts.wrong, 1);
        }
        Counts::add(&self.counts.downloads, 1);
    }
}

/// What a file has in it, of which nothing need be kept: no picture, no sound.
fn bytes(number: u64, size: usize) -> Vec<u8> {
    let mut random = Random(number);
    let mut bytes = b"soak".to_vec();
    while bytes.len() < size {
        bytes.extend_from_slice(&random.next().to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}
