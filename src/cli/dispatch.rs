//! The program: flags, then a command, or log and server.

use std::process::ExitCode;

use clap::CommandFactory;
use clap::error::ErrorKind;

use super::command::Command;
use super::flags::{DEFAULT_LOG, Flags};
use super::output::{Failed, answer_usage, end, end_of_server};
use super::serve::serve;
use super::{log, operate, variables};

/// The whole program: flags, then a subcommand, or log and server. Exit code 0 when it did what it
/// was asked to, 1 when it failed, 2 for wrong flags.
pub fn main() -> ExitCode {
    let parsed = variables::parse(std::env::args_os(), std::env::vars_os());
    let (flags, warnings) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return answer_usage(&error),
    };
    if flags.demo && !flags.host.is_loopback() {
        let advice = "--demo signs in anyone who can reach it: leave --host at 127.0.0.1";
        return answer_usage(&Flags::command().error(ErrorKind::ArgumentConflict, advice));
    }
    // A command answers on standard output; the log is for what goes wrong.
    let log = match flags.command {
        Some(_) if flags.log == DEFAULT_LOG => "warn",
        _ => &flags.log,
    };
    let lines = match flags.command {
        Some(_) => {
            log::start(log, flags.log_format);
            None
        }
        None => log::start_queued(log, flags.log_format),
    };
    match &flags.command {
        Some(Command::Maintain(command)) => {
            return end(command.run(&flags));
        }
        Some(Command::Describe(command)) => return end(command.run(&flags).map_err(Failed::from)),
        Some(Command::Health(health)) => {
            return end(health.run(&flags.data).map_err(Failed::from));
        }
        Some(Command::Operate(_) | Command::Doctor(_)) | None => {}
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            let failed = Err(format!("the machine refuses to start threads: {error}"));
            return end_of_server(failed, lines, flags.log_format);
        }
    };
    let done = runtime.block_on(async {
        match &flags.command {
            None => {
                for warning in &warnings {
                    tracing::warn!("{warning}");
                }
                serve(&flags).await
            }
            Some(Command::Operate(command)) => operate::run(command, &flags).await,
            Some(Command::Doctor(doctor)) => doctor.run(&flags.data).await,
            // Done above, without a runtime.
            Some(Command::Maintain(_) | Command::Describe(_) | Command::Health(_)) => Ok(()),
        }
    });
    // What threads of the runtime still do, such as reading from a disk that hangs, is not waited
    // for.
    runtime.shutdown_background();
    end_of_server(done, lines, flags.log_format)
}
