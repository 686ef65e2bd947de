//! The manual says what the program says.

use std::process::Command;

const README: &str = include_str!("../../README.md");

#[test]
fn the_flags_in_the_readme_are_those_of_the_program() {
    let help = Command::new(env!("CARGO_BIN_EXE_chatd"))
        .arg("--help")
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let help: Vec<&str> = help.lines().map(str::trim_end).collect();
    let block = format!("```text\n{}\n```", help.join("\n").trim_end());
    assert!(
        README.contains(&block),
        "the README's flags are not these:\n{block}"
    );
}

#[test]
fn every_code_of_an_error_is_in_the_readme() {
    for code in chatd::model::Code::ALL {
        assert!(
            README.contains(&format!("`{}`", code.as_str())),
            "{} is not",
            code.as_str()
        );
    }
}
