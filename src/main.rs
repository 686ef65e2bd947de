//! The executable; all of it is the library's.

fn main() -> std::process::ExitCode {
    chatd::cli::main()
}
