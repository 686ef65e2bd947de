//! Files that commands read from and write to, and what stands for one without being one: `-`,
//! pipes, devices.

use std::fs::{File, OpenOptions};
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use super::output::Failed;

/// The names of standard input.
const INPUT: &[&str] = &["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"];
/// The names of standard output. What is behind it may be a file that is to be appended to, so it
/// is not opened again.
const OUTPUT: &[&str] = &["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];

fn is_one_of(path: &Path, names: &[&str]) -> bool {
    names.iter().any(|name| path.as_os_str() == *name)
}

/// Opens what a command is to read: a file, a pipe, or standard input.
pub(super) fn input(path: &Path) -> Result<File, Failed> {
    let failed = |error| format!("cannot read {}: {error}", path.display());
    if !is_one_of(path, INPUT) {
        let file = File::open(path).map_err(failed)?;
        if file.metadata().map_err(failed)?.is_dir() {
            return Err(format!(
                "cannot read {}: it is a folder: name a file",
                path.display()
            )
            .into());
        }
        return Ok(file);
    }
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        return Err(Failed::Usage(
            "standard input is the terminal: name a file, or send one in, as by < FILE".into(),
        ));
    }
    Ok(stdin.as_fd().try_clone_to_owned().map_err(failed)?.into())
}

/// Returns where a command is to write, as far as that is there already: standard output, a pipe or
/// a device. `None` where it is a file that is to be made.
pub(super) fn output(path: &Path) -> Result<Option<File>, Failed> {
    let failed = |error| format!("cannot write {}: {error}", path.display());
    if is_one_of(path, OUTPUT) {
        let stdout = std::io::stdout().as_fd().try_clone_to_owned();
        return Ok(Some(stdout.map_err(failed)?.into()));
    }
    let Ok(metadata) = std::fs::metadata(path) else {
        return Ok(None);
    };
    let kind = metadata.file_type();
    if kind.is_fifo() || kind.is_char_device() {
        let opened = OpenOptions::new().write(true).open(path);
        return Ok(Some(opened.map_err(failed)?));
    }
    if kind.is_dir() {
        let name = path.display();
        return Err(format!("{name} is a folder: name a file in it").into());
    }
    Ok(None)
}

/// Refuses to write what is no text to a terminal.
pub(super) fn no_terminal(out: &File, command: &str) -> Result<(), Failed> {
    if out.is_terminal() {
        return Err(Failed::Usage(format!(
            "a data file is not for a terminal: name a file, or send it on, as by {command} - > FILE"
        )));
    }
    Ok(())
}
