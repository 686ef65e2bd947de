//! The commands: what the program does instead of serving.

use std::path::Path;

use clap::Subcommand;

use super::flags::Flags;
use super::operate::Operate;
use super::output::Failed;
use super::{
    backup, check, compact, completions, doctor, export, import, man, restore, systemd_unit,
};

/// What the program does instead of serving.
#[derive(Subcommand)]
pub(super) enum Command {
    #[command(flatten)]
    Operate(Operate),
    #[command(flatten)]
    Maintain(Maintain),
    #[command(flatten)]
    Describe(Describe),
    /// Look for what is wrong with this machine, or with the way to a server, and say how to mend it
    Doctor(doctor::Doctor),
}

/// What the program says of itself.
#[derive(Subcommand)]
pub(super) enum Describe {
    /// Print a unit by which systemd runs chatd
    SystemdUnit(systemd_unit::SystemdUnit),
    /// Print what a shell needs to complete chatd's commands and flags
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

/// What is done to a data file as a whole: the one that --data names.
#[derive(Subcommand)]
pub(super) enum Maintain {
    /// Copy the data file, beside a running server or without one
    Backup(backup::Backup),
    /// Put a backup in the place of the data file, which is kept under another name
    Restore(restore::Restore),
    /// Read everything in the data file and say what is wrong
    Check(check::Check),
    /// Give space back that the data file does not need
    Compact(compact::Compact),
    /// Write accounts and messages as JSON Lines
    Export(export::Export),
    /// Make a new data file of what export wrote
    Import(import::Import),
}

impl Maintain {
    pub(super) fn run(&self, data: &Path) -> Result<(), Failed> {
        match self {
            Self::Backup(backup) => backup.run(data),
            Self::Restore(restore) => restore.run(data),
            Self::Check(check) => Ok(check.run(data)?),
            Self::Compact(compact) => Ok(compact.run(data)?),
            Self::Export(export) => export.run(data),
            Self::Import(import) => import.run(data),
        }
    }
}
