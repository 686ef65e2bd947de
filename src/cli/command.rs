//! The commands: what the program does instead of serving.

use clap::Subcommand;

use super::flags::Flags;
use super::operate::Operate;
use super::output::Failed;
use super::{
    backup, check, compact, completions, doctor, export, health, import, man, restore, systemd_unit,
};

/// A command in place of serving.
#[derive(Subcommand)]
pub(super) enum Command {
    #[command(flatten)]
    Operate(Operate),
    #[command(flatten)]
    Maintain(Maintain),
    #[command(flatten)]
    Describe(Describe),
    /// Diagnose this machine, or the way to a server, and say how to fix what is wrong
    Doctor(doctor::Doctor),
    /// Ask the running server whether it can write, for health checks
    Health(health::Health),
}

/// Commands that describe the program.
#[derive(Subcommand)]
pub(super) enum Describe {
    /// Print a systemd unit that runs chatd
    SystemdUnit(systemd_unit::SystemdUnit),
    /// Print completions of chatd's commands and flags for a shell
    Completions(completions::Completions),
    /// Print the manual page
    Man(man::Man),
}

impl Describe {
    pub(super) fn run(&self, flags: &Flags) -> Result<(), String> {
        match self {
            Self::SystemdUnit(unit) => unit.run(flags),
            Self::Completions(completions) => completions.run(),
            Self::Man(man) => man.run(),
        }
    }
}

/// Commands on a whole data file: the one that --data names.
#[derive(Subcommand)]
pub(super) enum Maintain {
    /// Copy the data file, while a server runs or not
    Backup(backup::Backup),
    /// Replace the data file with a backup, and keep the old one under another name
    Restore(restore::Restore),
    /// Verify everything in the data file and report what is wrong
    Check(check::Check),
    /// Return unused space in the data file to the disk
    Compact(compact::Compact),
    /// Write accounts and messages as JSON Lines
    Export(export::Export),
    /// Create a new data file from what export wrote
    Import(import::Import),
}

impl Maintain {
    /// Runs on the data file that these name.
    pub(super) fn run(&self, flags: &Flags) -> Result<(), Failed> {
        let files = flags.files_folder();
        let (data, files) = (&*flags.data, &*files);
        match self {
            Self::Backup(backup) => backup.run(data, files),
            Self::Restore(restore) => restore.run(data, files),
            Self::Check(check) => Ok(check.run(data, files)?),
            Self::Compact(compact) => Ok(compact.run(data, flags.retention.0)?),
            Self::Export(export) => export.run(data, files),
            Self::Import(import) => import.run(data, files),
        }
    }
}
