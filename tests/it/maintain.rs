//! The subcommands that work on a data file, as the program that people run.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use chatd::chat::Rules;
use chatd::config::Config;
use chatd::store::Location;
use http_body_util::BodyExt;
use serde_json::json;

use crate::support::{Person, TestServer, config, soon};

const LINES: &str = concat!(
    r#"{"format":"chatd-export","version":2,"accounts":2,"entries":3}"#,
    "\n",
    r#"{"type":"user","id":1,"username":"ada","is_admin":true,"disabled":false,"token_version":0,"created_at":"2025-06-05T12:00:00.000Z"}"#,
    "\n",
    r#"{"type":"user","id":2,"username":"bob","is_admin":false,"disabled":false,"token_version":0,"created_at":"2025-06-05T12:00:00.000Z"}"#,
    "\n",
    r#"{"type":"message","id":1,"sender_id":1,"receiver_id":2,"content":"Halo!","created_at":"2025-06-05T12:00:00.000Z","client_id":"mine"}"#,
    "\n",
    r#"{"type":"message","id":2,"sender_id":2,"receiver_id":1,"content":"hi","created_at":"2025-06-05T12:00:01.000Z"}"#,
    "\n",
    r#"{"type":"read","id":3,"message_id":1,"user_id":2,"at":"2025-06-05T12:00:02.000Z"}"#,
    "\n",
);

/// A folder in which the program is run.
struct Folder(tempfile::TempDir);

/// What a run came to.
struct Run {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// One with a data file of those lines.
    fn with_data() -> Self {
        let folder = Self::new();
        std::fs::write(folder.path("lines.jsonl"), LINES).unwrap();
        folder.done(&["import", "lines.jsonl"]);
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chatd"));
        command.args(args).current_dir(self.0.path());
        // What the caller's own environment says is not for the tests.
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CHATD_")) {
            command.env_remove(name);
        }
        command.stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Run {
        let output = self.command(args).output().unwrap();
        Run {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs what must succeed, without a word on standard error; gives what it says.
    fn done(&self, args: &[&str]) -> String {
        let run = self.run(args);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{args:?}");
        run.stdout
    }

    /// Runs what must fail, with one line on standard error; gives that.
    fn fails(&self, args: &[&str]) -> String {
        let run = self.run(args);
        assert_eq!(run.code, 1, "{args:?}: {}", run.stderr);
        assert!(run.stderr.starts_with("chatd: "), "{}", run.stderr);
        assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
        run.stderr
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

#[test]
fn what_is_imported_is_sound_and_exported_as_it_was() {
    let folder = Folder::with_data();
    assert_eq!(
        folder.done(&["check"]),
        "chatd.redb is sound: 2 accounts, 1 conversations, 3 messages and read marks\n"
    );
    assert_eq!(folder.done(&["export"]), LINES);
    folder.done(&["export", "again.jsonl"]);
    assert_eq!(
        std::fs::read_to_string(folder.path("again.jsonl")).unwrap(),
        LINES
    );
    assert!(
        folder
            .fails(&["export", "again.jsonl"])
            .contains("exists already")
    );
    assert!(
        folder
            .fails(&["import", "lines.jsonl"])
            .contains("holds data already")
    );
    folder.done(&["import", "--data", "other.redb", "again.jsonl"]);
    assert_eq!(folder.done(&["--data", "other.redb", "export"]), LINES);
    assert_eq!(
        folder.names(),
        ["again.jsonl", "chatd.redb", "lines.jsonl", "other.redb"]
    );
}

#[test]
fn a_backup_is_restored_and_the_old_file_is_kept() {
    let folder = Folder::with_data();
    folder.done(&["backup", "copy.redb"]);
    assert!(
        folder
            .fails(&["backup", "copy.redb"])
            .contains("exists already")
    );
    std::fs::remove_file(folder.path("chatd.redb")).unwrap();
    std::fs::write(folder.path("chatd.redb"), "not a database at all").unwrap();
    assert!(folder.fails(&["check"]).contains("is not one of chatd"));
    let said = folder.done(&["restore", "copy.redb"]);
    let kept = folder
        .names()
        .into_iter()
        .find(|name| name.contains(".before-restore-"));
    let kept = kept.expect("the old file is gone");
    assert!(said.contains(&kept), "{said}");
    assert_eq!(
        std::fs::read_to_string(folder.path(&kept)).unwrap(),
        "not a database at all"
    );
    assert_eq!(folder.done(&["export"]), LINES);
    folder.done(&["compact"]);
    assert_eq!(folder.done(&["export"]), LINES);
}

/// Bots were silent after a restore, and nothing had said why.
#[test]
fn a_data_file_that_goes_back_says_that_its_keys_and_hooks_wait() {
    let folder = Folder::with_data();
    let words = "are paused until an administrator confirms each";
    folder.done(&["backup", "none.redb"]);
    assert!(!folder.done(&["restore", "none.redb"]).contains(words));
    folder.done(&["key", "add", "shop"]);
    folder.done(&["backup", "copy.redb"]);
    assert!(folder.done(&["restore", "copy.redb"]).contains(words));
    folder.done(&["export", "all.jsonl"]);
    let imported = folder.done(&["--data", "other.redb", "import", "all.jsonl"]);
    assert!(imported.contains(words), "{imported}");
    let used = folder.run(&["--data", "copy.redb", "key", "list"]);
    assert!(used.stderr.contains(words), "{}", used.stderr);
}

#[test]
fn a_restore_says_which_deletions_it_undoes() {
    let folder = Folder::with_data();
    folder.done(&["backup", "copy.redb"]);
    let said = folder.done(&["restore", "copy.redb"]);
    assert!(!said.contains("deleted since"), "nothing was: {said}");
    folder.done(&["erase", "--message", "1"]);
    let said = folder.done(&["restore", "copy.redb"]);
    assert!(said.contains("1 messages are back that were deleted since the backup (1)"));
    assert!(!said.contains("accounts are back"), "{said}");
    folder.done(&["erase", "--user", "bob"]);
    let said = folder.done(&["restore", "copy.redb"]);
    assert!(said.contains("1 messages are back that were deleted since the backup (2)"));
    assert!(said.contains("1 accounts are back that were deleted since the backup (2)"));
    // The log of another file has the same numbers, and is not compared.
    let other = LINES.replace("T12:", "T13:");
    std::fs::write(folder.path("other.jsonl"), other).unwrap();
    folder.done(&["--data", "other.redb", "import", "other.jsonl"]);
    folder.done(&["--data", "other.redb", "erase", "--message", "1"]);
    let said = folder.done(&["--data", "other.redb", "restore", "copy.redb"]);
    assert!(!said.contains("deleted since"), "{said}");
}

#[test]
fn what_cannot_be_done_exits_with_1_and_leaves_everything_as_it_was() {
    let folder = Folder::new();
    for args in [&["check"][..], &["backup", "x"], &["compact"], &["export"]] {
        let said = folder.fails(args).to_lowercase();
        assert!(said.contains("no such"), "{args:?}: {said}");
    }
    assert!(folder.fails(&["restore", "x"]).contains("cannot read x"));
    assert!(folder.fails(&["import", "x"]).contains("cannot read x"));
    std::fs::write(folder.path("empty"), "").unwrap();
    assert!(
        folder
            .fails(&["restore", "empty"])
            .contains("holds no data")
    );
    assert!(folder.fails(&["import", "empty"]).contains("line 1: "));
    std::fs::write(folder.path("cut"), &LINES[..LINES.len() - 10]).unwrap();
    assert!(folder.fails(&["import", "cut"]).contains("line 6: "));
    assert_eq!(folder.names(), ["cut", "empty"]);
    // An editor's byte order mark and ends of lines are no reason.
    let edited = format!("\u{feff}{}", LINES.replace('\n', "\r\n"));
    std::fs::write(folder.path("edited"), edited).unwrap();
    folder.done(&["import", "edited"]);
    assert_eq!(folder.done(&["export"]), LINES);
}

#[test]
fn wrong_usage_exits_with_2() {
    let folder = Folder::new();
    for args in [
        &["backup"][..],
        &["restore"],
        &["check", "x"],
        &["frobnicate"],
        &["import"],
    ] {
        assert_eq!(folder.run(args).code, 2, "{args:?}");
    }
    assert_eq!(folder.names(), [""; 0]);
}

#[test]
fn a_damaged_file_is_told_by_table_and_key() {
    let folder = Folder::with_data();
    let path = folder.path("chatd.redb");
    let mut bytes = std::fs::read(&path).unwrap();
    let at = find(&bytes, b"Halo!").expect("the text stands in the file as it is");
    bytes[at] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let run = folder.run(&["check"]);
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("chatd restore FILE"), "{}", run.stderr);
    assert_ne!(run.stdout, "", "no finding was printed");
    assert!(
        std::fs::read(&path).unwrap() == bytes,
        "a check has changed the file"
    );
    folder.fails(&["backup", "copy.redb"]);
    folder.fails(&["compact"]);
    assert!(std::fs::read(&path).unwrap() == bytes);
    assert_eq!(folder.names(), ["chatd.redb", "lines.jsonl"]);
}

/// The bytes that a command writes to standard output, which must succeed without a word on
/// standard error.
fn bytes_of(mut command: Command) -> Vec<u8> {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*said), (Some(0), ""), "{command:?}");
    output.stdout
}

/// `chatd export - | gzip` made a file called `-`, and piped one line of words.
#[test]
fn a_dash_is_standard_output_and_standard_input_for_each_command() {
    let folder = Folder::with_data();
    let names = folder.names();
    for name in ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
        assert_eq!(folder.done(&["export", name]), LINES, "{name}");
    }
    // What is there already is appended to, as a shell's >> means it.
    let log = std::fs::File::create(folder.path("log")).unwrap();
    let mut export = folder.command(&["export", "/dev/stdout"]);
    export.stdout(log.try_clone().unwrap());
    (&log).write_all(b"before\n").unwrap();
    assert!(export.status().unwrap().success());
    let found = std::fs::read_to_string(folder.path("log")).unwrap();
    assert_eq!(found, format!("before\n{LINES}"));
    std::fs::remove_file(folder.path("log")).unwrap();

    for name in ["-", "/dev/stdout"] {
        let copy = bytes_of(folder.command(&["backup", name]));
        assert_eq!(folder.names(), names, "{name}");
        for name in ["-", "/dev/stdin"] {
            let other = Folder::new();
            let mut restore = other
                .command(&["restore", name])
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            restore.stdin.take().unwrap().write_all(&copy).unwrap();
            assert!(restore.wait().unwrap().success(), "{name}");
            assert_eq!(other.names(), ["chatd.redb"]);
            assert_eq!(other.done(&["export"]), LINES);
        }
        // By a file that is standard input, and by a socket, as programs other than shells give it.
        std::fs::write(folder.path("copy"), &copy).unwrap();
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let writing = std::thread::spawn(move || (&ours).write_all(&copy).unwrap());
        let file = std::fs::File::open(folder.path("copy")).unwrap();
        for stdin in [
            Stdio::from(file),
            Stdio::from(std::os::fd::OwnedFd::from(theirs)),
        ] {
            let other = Folder::new();
            let restored = other.command(&["restore", "-"]).stdin(stdin).output();
            let restored = restored.unwrap();
            assert!(restored.status.success(), "{restored:?}");
            assert_eq!(other.done(&["export"]), LINES);
        }
        writing.join().unwrap();
        std::fs::remove_file(folder.path("copy")).unwrap();
    }
    let other = Folder::new();
    let mut import = other.command(&["import", "-"]);
    let mut import = import
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    import
        .stdin
        .take()
        .unwrap()
        .write_all(LINES.as_bytes())
        .unwrap();
    assert!(import.wait().unwrap().success());
    assert_eq!(other.done(&["export"]), LINES);
}

#[test]
fn a_pipe_and_a_device_are_written_to_and_not_replaced() {
    let folder = Folder::with_data();
    let fifo = folder.path("fifo");
    let made = Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(made.success());
    let names = folder.names();
    for (args, is_right) in [
        (
            ["export", "fifo"],
            (|read| read == LINES.as_bytes()) as fn(&[u8]) -> bool,
        ),
        (["backup", "fifo"], |read| read.starts_with(b"redb")),
    ] {
        let from = fifo.clone();
        let reading = std::thread::spawn(move || std::fs::read(from).unwrap());
        assert_eq!(folder.done(&args), "", "{args:?}");
        assert!(is_right(&reading.join().unwrap()), "{args:?}");
        assert_eq!(folder.names(), names, "{args:?}");
        folder.done(&[args[0], "/dev/null"]);
    }
    // And read from.
    let to = fifo.clone();
    let writing = std::thread::spawn(move || std::fs::write(to, LINES).unwrap());
    folder.done(&["import", "--data", "other.redb", "fifo"]);
    writing.join().unwrap();
    assert_eq!(folder.done(&["--data", "other.redb", "export"]), LINES);
}

#[test]
fn output_that_is_not_taken_is_a_failure() {
    let folder = Folder::with_data();
    let names = folder.names();
    let full = || {
        std::fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap()
    };
    for args in [
        &["export"][..],
        &["export", "-"],
        &["backup", "-"],
        &["user", "list"],
        &["token", "ada"],
        &["completions", "bash"],
        &["man"],
        &["systemd-unit"],
        &["--help"],
        &["--version"],
    ] {
        let output = folder.command(args).stdout(full()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
        assert!(
            said.starts_with("chatd: ") && said.lines().count() == 1,
            "{args:?}: {said}"
        );
    }
    for args in [["export", "/dev/full"], ["backup", "/dev/full"]] {
        assert!(folder.fails(&args).contains("No space left"), "{args:?}");
    }
    // A reader that goes away before the end, as head does.
    for args in [["export", "-"], ["backup", "-"]] {
        let mut command = folder.command(&args);
        let mut running = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(running.stdout.take());
        let output = running.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("Broken pipe"), "{args:?}: {said}");
    }
    assert_eq!(folder.names(), names);
}

/// `chatd user list | head -1` ended in an error. A key that nobody read is one.
#[test]
fn a_reader_that_has_seen_enough_of_a_list_is_no_failure() {
    let folder = Folder::with_data();
    for (args, code) in [
        (&["user", "list"][..], 0),
        (&["room", "list"], 0),
        (&["hook", "list"], 0),
        (&["key", "list"], 0),
        (&["completions", "bash"], 0),
        (&["man"], 0),
        (&["systemd-unit"], 0),
        (&["--help"], 0),
        (&["key", "add", "shop"], 1),
        (&["bot", "add", "clerk"], 1),
        (&["token", "ada"], 1),
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = folder.command(args).stdout(writer).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert_eq!(said.contains("Broken pipe"), code == 1, "{args:?}: {said}");
        assert!(said.lines().count() <= 1, "{args:?}: {said}");
    }
}

#[test]
fn targets_that_cannot_be_are_refused_and_nothing_is_made() {
    use std::os::unix::fs::symlink;
    let folder = Folder::with_data();
    folder.done(&["backup", "copy.redb"]);
    std::fs::create_dir(folder.path("folder")).unwrap();
    symlink("nowhere", folder.path("link")).unwrap();
    std::fs::hard_link(folder.path("chatd.redb"), folder.path("twin.redb")).unwrap();
    let names = folder.names();
    let before = std::fs::read(folder.path("chatd.redb")).unwrap();
    for (args, says) in [
        (["backup", "folder"], "is a folder: name a file in it"),
        (["export", "folder"], "is a folder: name a file in it"),
        (["import", "folder"], "it is a folder: name a file"),
        (["restore", "folder"], "it is a folder: name a file"),
        (["backup", "link"], "exists already"),
        (["export", "link"], "exists already"),
        (["backup", "chatd.redb"], "exists already"),
        (["export", "chatd.redb"], "exists already"),
        (["restore", "chatd.redb"], "is the data file itself"),
        (["restore", "twin.redb"], "is the data file itself"),
        (["import", "chatd.redb"], "holds data already"),
        (["backup", "nowhere/copy.redb"], "No such file"),
        (["export", "nowhere/lines"], "No such file"),
        (["backup", "copy.redb/x"], "Not a directory"),
        (["restore", "/dev/null"], "holds no data"),
    ] {
        let said = folder.fails(&args);
        assert!(said.contains(says), "{args:?}: {said}");
        assert_eq!(folder.names(), names, "{args:?}");
    }
    for args in [
        ["backup", ""],
        ["export", ""],
        ["import", ""],
        ["restore", ""],
    ] {
        assert_eq!(folder.run(&args).code, 2, "{args:?}");
    }
    assert!(std::fs::read(folder.path("chatd.redb")).unwrap() == before);
}

/// Nobody wants a data file on the screen, or means to type one.
#[test]
fn a_terminal_in_the_place_of_a_data_file_is_wrong_usage() {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let folder = Folder::with_data();
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let screen = || {
        let mut options = std::fs::OpenOptions::new();
        options
            .read(true)
            .write(true)
            .open(name.to_str().unwrap())
            .unwrap()
    };
    for args in [["backup", "-"], ["restore", "-"], ["import", "-"]] {
        let output = folder
            .command(&args)
            .stdin(screen())
            .stdout(screen())
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(
            said.contains("terminal") && said.lines().count() == 1,
            "{args:?}: {said}"
        );
    }
}

/// Hashes of other systems were stored unread, and nobody could log in.
#[tokio::test]
async fn people_who_come_from_elsewhere_log_in_with_the_passwords_they_had() {
    const HASHES: [(&str, &str); 2] = [
        (
            "ada",
            "pbkdf2_sha256$1000$seasaltseasaltseasaltx$xozCFHg+Lu+my4jLjeMdBaKEb471SeKAM5QNzDKl8Og=",
        ),
        (
            "bob",
            "$2b$04$yARtGJHClJ4XAL/Mrw8xHOzy702a/4UOYhxpzQL6mRGm/d2Pa0/VC",
        ),
    ];
    let folder = Folder::new();
    let lines = |hashes: [&str; 2]| {
        let mut lines = LINES.to_owned();
        for (name, hash) in ["ada", "bob"].iter().zip(hashes) {
            let name = format!(r#""username":"{name}","#);
            lines = lines.replace(&name, &format!(r#"{name}"password_hash":"{hash}","#));
        }
        lines
    };
    for (hash, says) in [
        (
            "!unusable",
            "line 3: password_hash is none that can be verified",
        ),
        (
            "5f4dcc3b5aa765d61d8327deb882cf99",
            "line 3: password_hash is none",
        ),
        (
            "$argon2id$v=19$m=262144,t=20,p=1$c2FsdHNhbHRzYWx0$MnLmCbGzZa9q0jMeDPnPlZb2yoV3kcpQVAzg2TEfzVE",
            "line 3: password_hash costs too much to verify",
        ),
    ] {
        std::fs::write(folder.path("lines"), lines([HASHES[0].1, hash])).unwrap();
        let said = folder.fails(&["import", "lines"]);
        assert!(said.contains(says), "{said}");
        assert!(!said.contains(hash), "a hash is no word for a screen");
    }
    std::fs::write(folder.path("lines"), lines(HASHES.map(|(_, hash)| hash))).unwrap();
    folder.done(&["import", "lines"]);

    let server = TestServer::with(Config {
        data: Location::File(folder.path("chatd.redb")),
        ..config()
    })
    .await;
    for (name, _) in HASHES {
        let wrong = json!({"username": name, "password": "password2"}).to_string();
        let reply = server.send("POST", "/api/auth/login", None, &wrong).await;
        assert_eq!(reply.code(), "invalid_credentials");
        let first = server.login(name, "password1").await;
        server.login(name, "password1").await;
        // Nobody was put out by the new hash.
        server.get("/api/auth/me", &first.token).await;
    }
    server.stop().await;
    let found = folder.done(&["export"]);
    for (name, hash) in HASHES {
        assert!(!found.contains(hash), "{name} was not hashed anew: {found}");
    }
    assert_eq!(
        found.matches(r#""password_hash":"$argon2id$v=19$"#).count(),
        2
    );
}

fn find(bytes: &[u8], text: &[u8]) -> Option<usize> {
    bytes.windows(text.len()).position(|window| window == text)
}

#[test]
fn beside_a_server_what_would_replace_its_file_is_refused() {
    use std::io::{BufRead, BufReader};
    let folder = Folder::with_data();
    folder.done(&["backup", "copy.redb"]);
    let mut server = folder
        .command(&["--port", "0"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(server.stderr.take().unwrap()).lines();
    let ready = log.any(|line| line.unwrap().contains("open http://"));
    assert!(ready, "the server did not start");
    for args in [&["restore", "copy.redb"][..], &["import", "lines.jsonl"]] {
        let says = folder.fails(args);
        assert!(
            says.contains(&format!("in use by process {}", server.id())),
            "{says}"
        );
    }
    // What only reads it is asked of the server.
    let copy = bytes_of(folder.command(&["backup", "-"]));
    assert!(copy.starts_with(b"redb"));
    assert_eq!(folder.done(&["export", "-"]), LINES);
    // It was refused, although the server can rewrite its file.
    let inode = |folder: &Folder| {
        let file = std::fs::metadata(folder.path("chatd.redb")).unwrap();
        std::os::unix::fs::MetadataExt::ino(&file)
    };
    let old = inode(&folder);
    let said = folder.done(&["compact"]);
    assert!(
        said.starts_with("chatd.redb: ") && said.contains(" bytes, before "),
        "{said}"
    );
    assert_ne!(inode(&folder), old, "the old file is there still");
    assert_eq!(folder.done(&["export", "-"]), LINES);
    server.kill().unwrap();
    server.wait().unwrap();
    // After a kill the file is repaired in memory only.
    let before = std::fs::read(folder.path("chatd.redb")).unwrap();
    folder.done(&["check"]);
    assert!(std::fs::read(folder.path("chatd.redb")).unwrap() == before);
    assert_eq!(folder.done(&["export"]), LINES);
}

/// The longest message of these servers, in characters.
const LONG: usize = 100_000;

/// A server on a file in this process, and its administrator.
async fn with_admin(folder: &Folder) -> (TestServer, Person) {
    let config = Config {
        data: Location::File(folder.path("chatd.redb")),
        rules: Rules {
            max_message_chars: LONG,
            ..Rules::default()
        },
        ..config()
    };
    let server = TestServer::with(config).await;
    let code = server.setup_code.clone().unwrap();
    let body = json!({"username": "root", "password": "password1", "invite": code}).to_string();
    let reply = server.send("POST", "/api/auth/register", None, &body).await;
    let data = &reply.json()["data"];
    assert_eq!(data["user"]["is_admin"], true, "{}", reply.body);
    let admin = Person {
        id: data["user"]["id"].as_u64().unwrap(),
        token: data["token"].as_str().unwrap().into(),
    };
    (server, admin)
}

/// The response to a request for a backup, its body unread.
async fn ask(server: &TestServer, token: &str) -> hyper::Response<hyper::body::Incoming> {
    let stream = tokio::net::TcpStream::connect(server.address)
        .await
        .unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let request = hyper::Request::get("/api/admin/backup")
        .header("host", "localhost")
        .header("authorization", format!("Bearer {token}"))
        .body(http_body_util::Empty::<hyper::body::Bytes>::new())
        .unwrap();
    soon(sender.send_request(request)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_beside_sending_has_every_message_that_was_confirmed_before_it() {
    let folder = Folder::new();
    let (server, admin) = with_admin(&folder).await;
    let (ada, bob) = server.two_people().await;
    let mut wire = server.connect(&ada).await;
    let to = bob.id;
    let mut confirmed = Vec::new();
    for number in 0..50 {
        let (ack, _) = wire
            .call(
                number,
                "send_message",
                json!({"receiver_id": to, "content": "before"}),
            )
            .await;
        confirmed.push(ack["data"]["id"].as_u64().unwrap());
    }
    let stop = tokio_util::sync::CancellationToken::new();
    let stopped = stop.clone();
    let sending = tokio::spawn(async move {
        for number in 50.. {
            let (ack, _) = wire
                .call(
                    number,
                    "send_message",
                    json!({"receiver_id": to, "content": "beside"}),
                )
                .await;
            assert_eq!(ack["success"], true, "{ack}");
            if stopped.is_cancelled() {
                break;
            }
        }
    });
    let response = ask(&server, &admin.token).await;
    assert_eq!(response.status(), 200);
    assert_eq!(
        response.headers()["content-type"],
        "application/octet-stream"
    );
    let length: u64 = response.headers()["content-length"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    let body = soon(response.into_body().collect())
        .await
        .unwrap()
        .to_bytes();
    assert_eq!(body.len() as u64, length);
    stop.cancel();
    soon(sending).await.unwrap();
    server.stop().await;

    std::fs::write(folder.path("copy.redb"), &body).unwrap();
    folder.done(&["restore", "copy.redb"]);
    let lines = folder.done(&["export"]);
    for id in confirmed {
        assert!(
            lines.contains(&format!("{{\"type\":\"message\",\"id\":{id},")),
            "message {id} was confirmed and is lost"
        );
    }
    // Nothing is left of it beside the data file.
    let rest = folder
        .names()
        .into_iter()
        .filter(|name| !name.contains(".before-restore-"));
    assert_eq!(rest.collect::<Vec<_>>(), ["chatd.redb", "copy.redb"]);
}

#[tokio::test]
async fn a_backup_is_for_administrators_and_one_at_a_time() {
    let folder = Folder::new();
    let (server, admin) = with_admin(&folder).await;
    let ada = server.register("ada").await;
    let path = "/api/admin/backup";
    let reply = server.send("GET", path, None, "").await;
    assert_eq!(
        (reply.status.as_u16(), reply.code().as_str()),
        (401, "missing_token")
    );
    let reply = server.send("GET", path, Some(&ada.token), "").await;
    assert_eq!(
        (reply.status.as_u16(), reply.code().as_str()),
        (403, "forbidden")
    );
    let reply = server.send("POST", path, Some(&admin.token), "").await;
    assert_eq!(reply.status, 405);
    let reply = server.send("HEAD", path, Some(&admin.token), "").await;
    assert_eq!((reply.status.as_u16(), reply.body.as_str()), (200, ""));
    // More than the kernel's buffers take, 4 MiB: while it is not read, it is not sent.
    let mut wire = server.connect(&ada).await;
    for number in 0..100 {
        let long = json!({"receiver_id": admin.id, "content": "x".repeat(LONG)});
        let (ack, _) = wire.call(number, "send_message", long).await;
        assert_eq!(ack["success"], true);
    }
    let first = ask(&server, &admin.token).await;
    let reply = server.send("GET", path, Some(&admin.token), "").await;
    assert_eq!(
        (reply.status.as_u16(), reply.code().as_str()),
        (429, "rate_limited")
    );
    assert_eq!(reply.headers["retry-after"], "30");
    let body = soon(first.into_body().collect()).await.unwrap().to_bytes();
    assert!(body.len() > 100 * LONG);
    let again = ask(&server, &admin.token).await;
    assert_eq!(again.status(), 200, "the first one is over");
    drop(again);
    server.stop().await;
}

/// Answers one request on the control socket of `chatd.redb` with this, head and all.
fn answer_once(folder: &Folder, answer: Vec<u8>) -> std::thread::JoinHandle<String> {
    use std::io::{Read, Write};
    let listener = std::os::unix::net::UnixListener::bind(folder.path("chatd.redb.sock")).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        stream.write_all(&answer).unwrap();
        String::from_utf8(head).unwrap()
    })
}

/// `chatd.redb` held as a server holds it, and a backup of it.
fn held() -> (Folder, std::fs::File, Vec<u8>) {
    let folder = Folder::with_data();
    folder.done(&["backup", "copy.redb"]);
    let copy = std::fs::read(folder.path("copy.redb")).unwrap();
    std::fs::remove_file(folder.path("copy.redb")).unwrap();
    let file = std::fs::File::open(folder.path("chatd.redb")).unwrap();
    file.try_lock().unwrap();
    (folder, file, copy)
}

fn whole(body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

#[test]
fn beside_a_server_a_backup_comes_through_its_control_socket() {
    let (folder, _held, copy) = held();
    assert!(
        folder
            .fails(&["backup", "other.redb"])
            .contains("chatd.redb.sock")
    );
    for args in [&["backup", "other.redb"][..], &["check"], &["export"]] {
        let asked = answer_once(&folder, whole(&copy));
        let said = folder.done(args);
        assert!(
            asked
                .join()
                .unwrap()
                .starts_with("GET /api/admin/backup HTTP/1.1\r\n")
        );
        if args == ["export"] {
            assert_eq!(said, LINES);
        }
        std::fs::remove_file(folder.path("chatd.redb.sock")).unwrap();
    }
    assert_eq!(folder.names(), ["chatd.redb", "lines.jsonl", "other.redb"]);
    assert_eq!(folder.done(&["--data", "other.redb", "export"]), LINES);
}

#[test]
fn a_backup_that_came_in_part_or_damaged_or_not_at_all_leaves_nothing() {
    let (folder, _held, copy) = held();
    let mut damaged = copy.clone();
    let at = find(&damaged, b"Halo!").unwrap();
    damaged[at] ^= 1;
    let cut = whole(&copy);
    let refusal = br#"{"success":false,"error":{"code":"rate_limited","message":"another one"}}"#;
    let refusal = [
        format!(
            "HTTP/1.1 429 No\r\ncontent-length: {}\r\n\r\n",
            refusal.len()
        )
        .as_bytes(),
        refusal,
    ]
    .concat();
    let cases = [
        (
            cut[..cut.len() - 9].to_vec(),
            "did not send the whole backup",
        ),
        (whole(&damaged), "is damaged"),
        (whole(b""), "holds no data"),
        (refusal, "refused: another one"),
        (
            b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n".to_vec(),
            "status 500",
        ),
    ];
    for (answer, says) in cases {
        let asked = answer_once(&folder, answer);
        let said = folder.fails(&["backup", "other.redb"]);
        assert!(said.contains(says), "{said}");
        asked.join().unwrap();
        std::fs::remove_file(folder.path("chatd.redb.sock")).unwrap();
        assert_eq!(folder.names(), ["chatd.redb", "lines.jsonl"]);
    }
}

/// Whether a token lets its owner in.
async fn is_good(server: &TestServer, token: &str) -> bool {
    let reply = server.send("GET", "/api/auth/me", Some(token), "").await;
    match reply.status.as_u16() {
        200 => true,
        401 => false,
        status => panic!("{status}: {}", reply.body),
    }
}

/// A server on a folder's data file.
async fn on(folder: &Folder) -> TestServer {
    TestServer::with(Config {
        data: Location::File(folder.path("chatd.redb")),
        ..config()
    })
    .await
}

#[tokio::test]
async fn a_backup_that_is_put_to_use_revives_no_token_and_no_invite_that_ended_since() {
    let folder = Folder::new();
    let (server, admin) = with_admin(&folder).await;
    let (ada, bob) = server.two_people().await;
    let cleo = server.register("cleo").await;
    let reply = server
        .send("POST", "/api/admin/invites", Some(&admin.token), "{}")
        .await;
    assert_eq!(reply.status.as_u16(), 201, "{}", reply.body);
    let streamed = ask(&server, &admin.token).await;
    let streamed = soon(streamed.into_body().collect()).await.unwrap();
    server.stop().await;
    let streamed = streamed.to_bytes();
    folder.done(&["backup", "copy.redb"]);
    std::fs::copy(folder.path("chatd.redb"), folder.path("cold")).unwrap();
    let secret = std::fs::read(folder.path("cold")).unwrap();

    // Each token ends in another way.
    let server = on(&folder).await;
    for (method, path, token, body) in [
        ("POST", "/api/auth/logout".to_owned(), &ada.token, json!({})),
        (
            "PATCH",
            "/api/auth/me".to_owned(),
            &bob.token,
            json!({"password": "password2", "current_password": "password1"}),
        ),
        (
            "PATCH",
            format!("/api/admin/users/{}", cleo.id),
            &admin.token,
            json!({"disabled": true}),
        ),
    ] {
        let reply = server
            .send(method, &path, Some(token), &body.to_string())
            .await;
        assert_eq!(reply.status.as_u16(), 200, "{path}: {}", reply.body);
    }
    server.stop().await;

    for way in [
        "cp",
        "cp of the stream",
        "restore",
        "restore of a cold copy",
    ] {
        match way {
            "cp" => drop(std::fs::copy(
                folder.path("copy.redb"),
                folder.path("chatd.redb"),
            )),
            "cp of the stream" => std::fs::write(folder.path("chatd.redb"), &streamed).unwrap(),
            _ => {
                let from = if way == "restore" {
                    "copy.redb"
                } else {
                    "cold"
                };
                let said = folder.done(&["restore", from]);
                assert!(said.contains("everybody logs in anew"), "{said}");
                assert!(said.contains("1 invites have ended"), "{said}");
            }
        }
        let server = on(&folder).await;
        for (name, person) in [
            ("ada", &ada),
            ("bob", &bob),
            ("cleo", &cleo),
            ("root", &admin),
        ] {
            assert!(!is_good(&server, &person.token).await, "{way}: {name}");
        }
        let root = server.login("root", "password1").await;
        let invites = server.get("/api/admin/invites", &root.token).await;
        assert_eq!(invites["data"], json!([]), "{way}");
        let anew = server.login("ada", "password1").await;
        server.stop().await;
        let server = on(&folder).await;
        assert!(is_good(&server, &anew.token).await, "{way}: once is enough");
        server.stop().await;
    }

    // A copy of the stopped server's file is the file itself: whoever moves it elsewhere keeps
    // everybody logged in.
    std::fs::write(folder.path("chatd.redb"), secret).unwrap();
    let server = on(&folder).await;
    assert!(is_good(&server, &ada.token).await);
    server.stop().await;
}

#[test]
fn a_server_that_begins_with_a_backup_says_what_that_means() {
    use std::io::{BufRead, BufReader};
    let folder = Folder::with_data();
    folder.done(&["backup", "copy.redb"]);
    for (data, is_said) in [
        ("copy.redb", true),
        ("copy.redb", false),
        ("chatd.redb", false),
    ] {
        let mut server = folder
            .command(&["--port", "0", "--data", data])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(server.stderr.take().unwrap()).lines();
        let mut before = lines
            .map(|line| line.unwrap())
            .take_while(|line| !line.contains("open http://"));
        let said = before.any(|line| line.contains("is a backup that is put to use"));
        server.kill().unwrap();
        server.wait().unwrap();
        assert_eq!(said, is_said, "{data}");
    }
}

#[tokio::test]
async fn a_compaction_keeps_everybody_logged_in_and_every_cursor() {
    let folder = Folder::new();
    let server = on(&folder).await;
    let (ada, bob) = server.two_people().await;
    let mut wire = server.connect(&ada).await;
    for _ in 0..3 {
        let message = json!({"receiver_id": bob.id, "content": "x"});
        wire.call(1, "send_message", message).await;
    }
    let page = server.get("/api/chats/updates", &ada.token).await;
    let cursor = page["meta"]["cursor"].as_str().unwrap().to_owned();
    server.stop().await;
    folder.done(&["compact"]);
    let server = on(&folder).await;
    let page = server
        .get(&format!("/api/chats/updates?since={cursor}"), &ada.token)
        .await;
    assert_eq!(page["data"], json!([]));
    server.stop().await;
}
