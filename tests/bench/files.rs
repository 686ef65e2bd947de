//! Modes `fill` and `open`: a large file, how long it takes to open, and what it weighs in memory.
//!
//! - `fill` writes messages as fast as the store takes them, thousands outstanding, and marks the
//!   chat read after every [`MARK_EVERY`]th, then closes cleanly. The rate is a bulk load's, not a
//!   server's.
//! - `open` times [`Ours::open`] in a fresh process, cold (the kernel was asked to drop the file's
//!   pages, and the bytes read from the disk are shown) and warm. The weight is what anonymous
//!   resident memory (`RssAnon`) grew by; it includes what the allocator keeps, and the store's
//!   page cache. That is filled by what is read, so the weight is shown with it, and less the bytes
//!   that the opening read by system calls (`rchar`), which are those of the cache and of a few
//!   pages that it does not keep. GB are 10^9 allocated bytes.
//! - `open --kill` does so, cold, after a process that was writing to the file was killed. What was
//!   confirmed is not looked for: that is a test's work.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{Advice, fadvise};
use tokio::runtime::{Builder, Runtime};

use super::ours::{self, Ours};
use super::workload::{CONTACTS, People, Traffic};
use super::writes::TARGET_FILE;
use super::{Error, allocated, own};

/// After how many messages one chat is read by its receiver.
const MARK_EVERY: u64 = 20;
/// How long a process writes before it is killed.
const WRITING: Duration = Duration::from_secs(2);
const SEED: u64 = 1;

/// The file to be made.
#[derive(clap::Args)]
pub(crate) struct Fill {
    /// Where it is to be; nothing may be there.
    #[arg(long)]
    data: PathBuf,
    #[arg(long, default_value_t = 10_000_000)]
    messages: u64,
    /// How many people there are.
    #[arg(long, default_value_t = 10_000)]
    users: u64,
    /// Give every message a client id.
    #[arg(long)]
    client_ids: bool,
}

/// Makes the file.
pub(crate) fn fill(args: &Fill) -> Result<(), Error> {
    if args.data.exists() {
        return Err("there is a file already".into());
    }
    let people = People::new(args.users);
    let mut traffic = Traffic::new(&people, SEED, args.client_ids);
    let mut ours = Ours::open(&args.data)?;
    ours.create_users(args.users)?;
    let start = Instant::now();
    let mut mark = None;
    let (mut sent, mut marks) = (0, 0);
    ours.fill(std::iter::from_fn(|| {
        if let Some((receiver, sender)) = mark.take() {
            marks += 1;
            return Some(ours::read_all(receiver, sender));
        }
        if sent == args.messages {
            return None;
        }
        sent += 1;
        let message = traffic.message();
        mark = sent
            .is_multiple_of(MARK_EVERY)
            .then_some((message.receiver, message.sender));
        Some(ours::send(message))
    }))?;
    let seconds = start.elapsed().as_secs_f64();
    let conversations = conversations(&ours, &runtime()?)?.len();
    ours.close();
    let bytes = allocated(&args.data)?;
    println!(
        "{sent} messages and {marks} read marks of {} people in {conversations} conversations: {seconds:.1} s, {:.0} messages/s",
        args.users,
        sent as f64 / seconds
    );
    println!(
        "{:.3} GB, {:.1} bytes a message, all else of the file included (target <= {TARGET_FILE})",
        bytes as f64 / 1e9,
        bytes as f64 / sent as f64
    );
    Ok(())
}

/// Opens the file in fresh processes, cold and warm.
pub(crate) fn open(data: &Path) -> Result<(), Error> {
    for cache in ["cold", "warm"] {
        if cache == "cold" {
            forget(data)?;
        }
        println!("with a {cache} page cache:");
        ended(&mut process("open-once", data)?)?;
    }
    Ok(())
}

/// Opens the file after a process that wrote to it was killed.
pub(crate) fn open_after_kill(data: &Path) -> Result<(), Error> {
    let mut writer = process("write-on", data)?.stdout(Stdio::piped()).spawn()?;
    let said = writer.stdout.take().map(BufReader::new);
    let first = said.and_then(|said| said.lines().next()).transpose();
    if let Ok(Some(_)) = &first {
        std::thread::sleep(WRITING);
    }
    writer.kill()?;
    let status = writer.wait()?;
    first?.ok_or("the writing process ended early")?;
    if status.code().is_some() {
        return Err(format!("the writing process was not killed: {status}").into());
    }
    forget(data)?;
    println!("after a kill, with a cold page cache:");
    ended(&mut process("open-once", data)?)
}

/// This program again, in another mode.
fn process(mode: &str, data: &Path) -> Result<Command, Error> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(mode).arg("--data").arg(data);
    Ok(command)
}

fn ended(command: &mut Command) -> Result<(), Error> {
    let status = command.status()?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("a process of this measurement failed: {status}").into())
    }
}

/// Drops the file's pages from the page cache; those that are not yet on the disk cannot be
/// dropped, so they go there.
fn forget(data: &Path) -> Result<(), Error> {
    let file = std::fs::File::open(data)?;
    file.sync_all()?;
    fadvise(&file, 0, None, Advice::DontNeed)?;
    Ok(())
}

/// The process of [`open`]: opens, says what it cost, closes.
pub(crate) fn open_once(data: &Path) -> Result<(), Error> {
    // Before the opening, which would make a file where there is none.
    let gigabytes = allocated(data)? as f64 / 1e9;
    let memory = || own("status", "RssAnon:").map(|kib| kib * 1_024);
    let (memory_before, read_before) = (memory()?, own("io", "read_bytes:")?);
    let called_before = own("io", "rchar:")?;
    let start = Instant::now();
    let ours = Ours::open(data)?;
    let seconds = start.elapsed().as_secs_f64();
    let weight = memory()?.saturating_sub(memory_before);
    let read = own("io", "read_bytes:")? - read_before;
    let cache = own("io", "rchar:")? - called_before;
    println!(
        "  {seconds:.3} s for {gigabytes:.3} GB: {:.2} s/GB; {:.3} GB read from the disk",
        seconds / gigabytes,
        read as f64 / 1e9
    );
    let (users, conversations) = (ours.users(), conversations(&ours, &runtime()?)?.len());
    for (what, weight) in [
        ("all", weight),
        ("less what was read", weight.saturating_sub(cache)),
    ] {
        println!(
            "  resident, {what}: {:.1} MiB: {:.0} bytes a user of {users}, or {:.0} bytes a conversation of {conversations}",
            weight as f64 / (1 << 20) as f64,
            weight as f64 / users as f64,
            weight as f64 / conversations as f64
        );
    }
    ours.close();
    Ok(())
}

/// The process of [`open_after_kill`]: writes for a minute at most, and says so once the file is
/// dirty.
pub(crate) fn write_on(data: &Path) -> Result<(), Error> {
    // As above.
    allocated(data)?;
    let mut ours = Ours::open(data)?;
    let people = People::new(ours.users());
    let mut traffic = Traffic::new(&people, SEED + 1, false);
    let start = Instant::now();
    let mut sent = 0;
    ours.run(100, || {
        sent += 1;
        if sent == 1_000 {
            println!("writing");
        }
        (start.elapsed() < Duration::from_secs(60)).then(|| ours::send(traffic.message()))
    })?;
    ours.close();
    Ok(())
}

pub(crate) fn runtime() -> Result<Runtime, Error> {
    Ok(Builder::new_current_thread().build()?)
}

/// Every conversation: the two, and its newest message.
pub(crate) fn conversations(ours: &Ours, runtime: &Runtime) -> Result<Vec<(u64, u64, u64)>, Error> {
    let users = ours.users();
    ours.read(runtime, move |snapshot| {
        let mut found = Vec::new();
        for one in 1..=users {
            // Nobody of `fill` has more; in another file the rest is left out.
            let recents = ours::recents(snapshot, one, CONTACTS as usize)?;
            let once = recents.into_iter().filter(|(other, _)| one < *other);
            found.extend(once.map(|(other, last)| (one, other, last)));
        }
        Ok(found)
    })
}
