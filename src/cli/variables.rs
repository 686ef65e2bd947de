//! Flags, and the variables that stand for them as shells, compose, systemd and Kubernetes write
//! these.
//!
//! clap takes a variable as it is: an empty one is a value, `false` is a flag that was given, and
//! what `docker --env-file` leaves of quotes is part of the text. So each variable is put into the
//! words of its flag here, and clap reads these in front of the others. A flag wins over a
//! variable, its own and one that it does not go with.

use std::ffi::{OsStr, OsString};

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory, FromArgMatches};

use super::flags::Flags;

/// How the names of our variables begin.
const OURS: &str = "CHATD_";
/// How those begin that Kubernetes and Docker's links set for a service of our name; ours are none
/// of these.
const OF_SERVICE: &[&str] = &["CHATD_SERVICE_", "CHATD_PORT_", "CHATD_ENV_"];
/// How the value of a link begins that has the name of our variable of the port.
const LINKS: &[&str] = &["tcp://", "udp://", "sctp://"];

/// Reads the words of the command line and the variables. With the flags come warnings, a line
/// each.
pub(super) fn parse(
    words: impl IntoIterator<Item = OsString>,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<(Flags, Vec<String>), clap::Error> {
    let (matches, warnings) = matches(words, variables)?;
    Ok((Flags::from_arg_matches(&matches)?, warnings))
}

fn matches(
    words: impl IntoIterator<Item = OsString>,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<(ArgMatches, Vec<String>), clap::Error> {
    let words: Vec<OsString> = words.into_iter().collect();
    let variables: Vec<(OsString, OsString)> = variables
        .into_iter()
        .filter(|(name, _)| name.to_string_lossy().starts_with(OURS))
        .collect();
    // The one that is shown names the variables; the one that reads does not.
    let mut shown = Flags::command();
    shown.build();
    let mut command = Flags::command().mut_args(|arg| arg.env(Resettable::Reset));
    let looking = command.clone().ignore_errors(true);
    let Ok(given) = looking.try_get_matches_from(&words) else {
        // Help, or the version.
        return Err(match shown.try_get_matches_from(&words) {
            Ok(_) => command.error(ErrorKind::DisplayHelp, ""),
            Err(error) => error,
        });
    };
    let given = Given {
        command: &shown,
        matches: &given,
    };
    let mut warnings = unknown(&shown, &variables);
    let mut translated = Vec::new();
    let mut named = Vec::new();
    for arg in shown.get_arguments() {
        let Some(name) = arg.get_env() else { continue };
        let found = variables.iter().find(|(variable, _)| variable == name);
        let Some((_, value)) = found.filter(|_| !given.outdoes(arg)) else {
            continue;
        };
        let name = name.to_string_lossy().into_owned();
        match words_of(arg, &name, value) {
            Ok(words) if words.is_empty() => {}
            Ok(words) => {
                named.push((arg.to_string(), name));
                translated.extend(words);
            }
            Err(Refusal::Wrong(text)) => {
                return Err(command.error(ErrorKind::InvalidValue, text));
            }
            Err(Refusal::Aside(warning)) => warnings.push(warning),
        }
    }
    let mut all = words.clone();
    all.splice(1.min(words.len())..1.min(words.len()), translated);
    match command.try_get_matches_from_mut(all) {
        Ok(matches) => Ok((matches, warnings)),
        Err(error) => Err(by_variables(error, &named)),
    }
}

/// The words of the command line, as clap read them.
struct Given<'a> {
    command: &'a Command,
    matches: &'a ArgMatches,
}

impl Given<'_> {
    fn has(&self, arg: &Arg) -> bool {
        let source = self.matches.value_source(arg.get_id().as_str());
        source == Some(ValueSource::CommandLine)
    }

    /// Returns whether it has a flag, or another one that does not go with it.
    fn outdoes(&self, arg: &Arg) -> bool {
        let goes_not_with = |one: &Arg, other: &Arg| {
            let conflicts = self.command.get_arg_conflicts_with(one);
            conflicts.iter().any(|arg| arg.get_id() == other.get_id())
        };
        self.command.get_arguments().any(|other| {
            self.has(other)
                && (other.get_id() == arg.get_id()
                    || goes_not_with(arg, other)
                    || goes_not_with(other, arg))
        })
    }
}

/// The reason that a variable gives no words.
enum Refusal {
    /// It has a value that its flag cannot have.
    Wrong(String),
    /// It is another program's, of which a line is said.
    Aside(String),
}

/// The words that say what a variable says; none for one that is empty, or says no.
fn words_of(arg: &Arg, name: &str, value: &OsStr) -> Result<Vec<OsString>, Refusal> {
    let long = arg.get_long().unwrap_or_default();
    let word = |value: &OsStr| {
        let mut word = OsString::from(format!("--{long}="));
        word.push(value);
        word
    };
    let Some(text) = value.to_str() else {
        // A path may be any bytes.
        return Ok(vec![word(value)]);
    };
    if arg.is_hide_env_values_set() {
        // A secret is what it is, but for the end of a line in a file.
        let secret = text.trim_end_matches(['\r', '\n']);
        return Ok(match secret.is_empty() {
            true => Vec::new(),
            false => vec![word(secret.as_ref())],
        });
    }
    let text = bare(text);
    if text.is_empty() {
        return Ok(Vec::new());
    }
    if name == "CHATD_PORT" && LINKS.iter().any(|link| text.starts_with(link)) {
        return Err(Refusal::Aside(format!(
            "{name} is a link to a service of that name, as Kubernetes sets it, and is left aside: give --port, or \
             enableServiceLinks: false"
        )));
    }
    if matches!(arg.get_action(), ArgAction::SetTrue) {
        return match truth(text) {
            Some(true) => Ok(vec![format!("--{long}").into()]),
            Some(false) => Ok(Vec::new()),
            None => Err(Refusal::Wrong(format!(
                "invalid value '{text}' for '{name}': give true or false"
            ))),
        };
    }
    if arg.get_value_delimiter().is_some() {
        let parts = text.split(|c: char| c == ',' || c.is_whitespace());
        let parts = parts.map(bare).filter(|part| !part.is_empty());
        return Ok(parts.map(|part| word(part.as_ref())).collect());
    }
    if matches!(arg.get_action(), ArgAction::Append) {
        // What may be given again and may have commas in it: a line each.
        let lines = text.lines().map(bare).filter(|line| !line.is_empty());
        return Ok(lines.map(|line| word(line.as_ref())).collect());
    }
    Ok(vec![word(text.as_ref())])
}

/// A text without what surrounds it where files of variables are read by other rules than a
/// shell's: blanks, ends of lines, a pair of quotes.
fn bare(text: &str) -> &str {
    let text = text.trim();
    for quote in ['"', '\''] {
        let inside = text
            .strip_prefix(quote)
            .and_then(|text| text.strip_suffix(quote));
        if let Some(inside) = inside.filter(|inside| !inside.contains(quote)) {
            return inside.trim();
        }
    }
    text
}

fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "t" | "yes" | "y" | "on" => Some(true),
        "0" | "false" | "f" | "no" | "n" | "off" => Some(false),
        _ => None,
    }
}

/// A line on variables that begin as ours do and are none; their values may be secrets and are not
/// told.
fn unknown(command: &Command, variables: &[(OsString, OsString)]) -> Vec<String> {
    let is_known = |name: &OsStr| {
        command
            .get_arguments()
            .any(|arg| arg.get_env() == Some(name))
    };
    let mut names: Vec<_> = variables
        .iter()
        .filter(|(name, _)| !is_known(name))
        .map(|(name, _)| name.to_string_lossy().into_owned())
        .filter(|name| !OF_SERVICE.iter().any(|begin| name.starts_with(begin)))
        .collect();
    names.sort();
    match names.len() {
        0 => Vec::new(),
        _ => vec![format!(
            "chatd has no variable {}: chatd --help names those that it has",
            names.join(", ")
        )],
    }
}

/// An error in whose words flags stand that were not given, put into those of the variables that
/// were.
fn by_variables(mut error: clap::Error, named: &[(String, String)]) -> clap::Error {
    let name_of = |flag: &String| {
        let found = named.iter().find(|(shown, _)| shown == flag);
        found.map_or(flag, |(_, name)| name).clone()
    };
    for kind in [ContextKind::InvalidArg, ContextKind::PriorArg] {
        let named = match error.get(kind) {
            Some(ContextValue::String(flag)) => ContextValue::String(name_of(flag)),
            Some(ContextValue::Strings(flags)) => {
                ContextValue::Strings(flags.iter().map(name_of).collect())
            }
            _ => continue,
        };
        error.insert(kind, named);
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A value for each flag that has one, of which every one has another meaning than what holds
    /// without it.
    const VALUES: &[(&str, &str)] = &[
        ("host", "127.0.0.2"),
        ("port", "9090"),
        ("data", "/srv/chat of us.redb"),
        ("files", "people.files"),
        ("max_file", "2GiB"),
        ("files_quota", "50GiB"),
        ("commit_interval", "5ms"),
        ("registration", "open"),
        ("token_lifetime", "1h 30m"),
        ("jwt_secret", "a secret of 32 bytes, or even more"),
        ("jwt_public_key", "key.pem"),
        ("jwt_jwks", "keys.json"),
        ("jwt_jwks_root", "root.pem"),
        ("jwt_issuer", "https://id.example.org/"),
        ("jwt_audience", "chat"),
        ("jwt_claim", "token_use=access"),
        ("jwt_admin_claim", "role=admin"),
        ("jwt_user_claim", "app_metadata.uid"),
        ("provision_users", "true"),
        ("max_message_chars", "100"),
        ("tls_cert", "cert.pem"),
        ("tls_key", "key.pem"),
        ("acme_domain", "chat.example.org"),
        ("acme_directory", "https://ca.example.org/directory"),
        ("acme_root", "ca.pem"),
        ("ping_interval", "10s"),
        ("ping_timeout", "5s"),
        ("max_payload", "2048"),
        ("public_url", "https://example.org/chat"),
        ("push_contact", "mailto:admin@example.org"),
        ("allow_origin", "https://app.example.org"),
        ("frame_ancestor", "https://app.example.org"),
        ("avatar_origin", "https://pictures.example.org"),
        ("trusted_proxy", "10.0.0.0/8"),
        ("rate_limit", "messages=20/s:200"),
        ("max_connections", "7"),
        ("recovery_window", "1h"),
        ("max_room_members", "50"),
        ("room_creation", "admins"),
        ("directory", "shared"),
        ("first_contact", "none"),
        ("edit_window", "1h"),
        ("erase_within", "2d"),
        ("retention", "90d"),
        ("shutdown_grace", "1s"),
        ("hook_private", "true"),
        ("hook_direct", "true"),
        ("metrics_listen", "127.0.0.1:9100"),
        ("demo", "true"),
        ("log", "debug"),
        ("log_format", "json"),
        ("memory", "128MiB"),
    ];

    /// Returns what stands for nothing beside these.
    fn others(id: &str) -> Vec<(OsString, OsString)> {
        let other = match id {
            "tls_cert" => "tls_key",
            "tls_key" => "tls_cert",
            _ => return Vec::new(),
        };
        vec![(variable(other), "other.pem".into())]
    }

    fn variable(id: &str) -> OsString {
        format!("CHATD_{}", id.to_uppercase()).into()
    }

    /// Returns what a flag comes to, as text, and how often it was warned.
    fn read(id: &str, words: &[&str], value: Option<&str>) -> Result<(Vec<String>, usize), String> {
        let words = [&["chatd"], words].concat();
        let mut variables = others(id);
        variables.extend(value.map(|value| (variable(id), value.into())));
        let found = matches(words.into_iter().map(OsString::from), variables);
        let (matches, warnings) = found.map_err(|error| crate::cli::failure::usage(&error))?;
        let raw = matches.get_raw(id).into_iter().flatten();
        let texts = match matches.try_get_one::<bool>(id) {
            Ok(Some(given)) => vec![given.to_string()],
            _ => raw.map(|text| text.to_string_lossy().into()).collect(),
        };
        Ok((texts, warnings.len()))
    }

    fn text(id: &str, value: &str) -> Vec<String> {
        read(id, &[], Some(value)).unwrap().0
    }

    #[test]
    fn each_variable_is_read_as_compose_systemd_and_env_files_write_it() {
        let command = Flags::command();
        let variables = command
            .get_arguments()
            .filter(|arg| arg.get_env().is_some());
        for arg in variables {
            let id = arg.get_id().as_str();
            let (_, value) = VALUES
                .iter()
                .find(|(known, _)| *known == id)
                .unwrap_or_else(|| panic!("{id} has no value here"));
            // A certificate without its key is refused.
            let without = read(id, &[], None);
            let plain = text(id, value);
            assert_eq!(plain, [*value], "{id}");
            assert_ne!(Ok((plain.clone(), 0)), without, "{id} is not read");
            assert_eq!(read(id, &[], Some("")), without, "{id} is empty");
            if arg.is_hide_env_values_set() {
                // Another program reads it by the same rules, or by none.
                assert_eq!(text(id, " \"x\" "), [" \"x\" "], "{id}");
                assert_eq!(text(id, &format!("{value}\r\n")), [*value], "{id}");
                continue;
            }
            for written in [
                format!(" {value}\t"),
                format!("{value}\r\n"),
                format!("\"{value}\""),
                format!("' {value} '"),
            ] {
                assert_eq!(text(id, &written), plain, "{id}: {written:?}");
            }
            for empty in [" ", "\"\"", "''", "\r\n"] {
                assert_eq!(read(id, &[], Some(empty)), without, "{id}: {empty:?}");
            }
        }
    }

    #[test]
    fn a_flag_wins_over_its_variable_whatever_that_is() {
        for (id, value) in VALUES {
            let flag = format!("--{}", id.replace('_', "-"));
            let is_switch = *value == "true";
            let word = match is_switch {
                true => flag,
                false => format!("{flag}={value}"),
            };
            for other in ["rubbish", "", "8080", "false"] {
                let found = read(id, &[&word], Some(other));
                assert_eq!(found, Ok((vec![(*value).into()], 0)), "{id}: {other}");
            }
        }
    }

    #[test]
    fn a_switch_is_said_in_any_of_the_usual_ways() {
        for id in ["demo", "provision_users"] {
            for yes in ["true", "TRUE", "True", "1", "yes", "on", "Y", "t", "'on'"] {
                assert_eq!(text(id, yes), ["true"], "{yes}");
            }
            for no in [
                "false",
                "FALSE",
                "0",
                "no",
                "off",
                "N",
                "f",
                "",
                " ",
                "\"false\"",
            ] {
                assert_eq!(text(id, no), ["false"], "{no}");
            }
            for wrong in ["maybe", "2", "ja", "truee"] {
                let said = read(id, &[], Some(wrong)).unwrap_err();
                let name = variable(id).into_string().unwrap();
                assert!(said.contains(wrong) && said.contains(&name), "{said}");
            }
        }
    }

    #[test]
    fn a_list_has_commas_or_blanks_or_lines_between_its_parts() {
        let command = Flags::command();
        let lists = command
            .get_arguments()
            .filter(|arg| arg.get_value_delimiter().is_some());
        let ids: Vec<_> = lists.map(|arg| arg.get_id().as_str()).collect();
        let known = ["acme_domain", "allow_origin", "trusted_proxy", "rate_limit"];
        assert!(known.iter().all(|id| ids.contains(id)), "{ids:?}");
        for (id, parts) in [
            ("acme_domain", ["a.example.org", "b.example.org"]),
            (
                "allow_origin",
                ["https://a.example.org", "https://b.example.org"],
            ),
            ("trusted_proxy", ["10.0.0.0/8", "fd00::/8"]),
            ("rate_limit", ["messages=20/s:200", "typing=off"]),
        ] {
            let [one, two] = parts;
            for written in [
                format!("{one},{two}"),
                format!("{one}, {two}"),
                format!("{one} {two}"),
                format!("\n  {one}\n  {two}\n"),
                format!("\"{one}\",\"{two}\""),
                format!("'{one} {two}'"),
                format!(",{one},,{two},"),
            ] {
                assert_eq!(text(id, &written), parts, "{id}: {written:?}");
            }
        }
    }

    fn parsed(words: &[&str], variables: &[(&str, &str)]) -> Result<(Flags, Vec<String>), String> {
        let words = [&["chatd"], words].concat();
        let variables = variables
            .iter()
            .map(|(name, value)| (name.into(), value.into()));
        parse(words.into_iter().map(OsString::from), variables)
            .map_err(|error| crate::cli::failure::usage(&error))
    }

    #[test]
    fn variables_and_flags_that_do_not_go_together_are_settled_by_the_flag() {
        let files = [("CHATD_TLS_CERT", "c"), ("CHATD_TLS_KEY", "k")];
        let (flags, _) = parsed(&[], &[("CHATD_DEMO", "false"), ("CHATD_DATA", "x")]).unwrap();
        assert!(!flags.demo && flags.data.as_os_str() == "x");
        let (flags, _) = parsed(&["--demo"], &[("CHATD_DATA", "x")]).unwrap();
        assert!(flags.demo);
        let (flags, _) = parsed(&["--data", "x"], &[("CHATD_DEMO", "1")]).unwrap();
        assert!(!flags.demo);
        let (flags, _) = parsed(&["check", "--data", "x"], &[("CHATD_DATA", "y")]).unwrap();
        assert!(flags.data.as_os_str() == "x");
        let (flags, _) = parsed(&["--acme-domain", "a.example.org"], &files).unwrap();
        assert!(flags.tls_cert.is_none() && flags.tls_key.is_none());
        let words = ["--tls-cert", "c", "--tls-key", "k"];
        let (flags, _) = parsed(&words, &[("CHATD_ACME_DOMAIN", "a.example.org")]).unwrap();
        assert!(flags.acme_domain.is_empty());
        let (flags, _) = parsed(&["--tls-cert", "mine"], &files).unwrap();
        assert!(flags.tls_cert.unwrap().as_os_str() == "mine");
        assert!(flags.tls_key.unwrap().as_os_str() == "k");
        let (flags, _) = parsed(&[], &[("CHATD_REGISTRATION", "Open")]).unwrap();
        assert!(matches!(flags.registration, crate::cli::flags::Mode::Open));
    }

    #[test]
    fn what_is_wrong_with_a_variable_is_said_of_the_variable() {
        for (variables, says) in [
            (&[("CHATD_PORT", "http")][..], "'http' for 'CHATD_PORT'"),
            (&[("CHATD_TLS_CERT", "c")], "--tls-key"),
            (
                &[("CHATD_TOKEN_LIFETIME", "soon")],
                "'CHATD_TOKEN_LIFETIME'",
            ),
            (
                &[("CHATD_DEMO", "1"), ("CHATD_DATA", "x")],
                "'CHATD_DATA' cannot be used with 'CHATD_DEMO'",
            ),
            (
                &[("CHATD_ALLOW_ORIGIN", "https://a b:c")],
                "'CHATD_ALLOW_ORIGIN",
            ),
        ] {
            let Err(said) = parsed(&[], variables) else {
                panic!("{variables:?} is taken");
            };
            assert!(said.contains(says), "{said}");
        }
        let Err(said) = parsed(&["--port", "http"], &[("CHATD_PORT", "80")]) else {
            panic!("it is taken");
        };
        assert!(said.contains("'--port <PORT>'"), "{said}");
    }

    /// In a pod beside a service that is called chatd the server did not start.
    #[test]
    fn what_kubernetes_says_of_a_service_named_chatd_is_left_aside() {
        let variables = [
            ("CHATD_PORT", "tcp://10.0.171.239:8080"),
            ("CHATD_SERVICE_HOST", "10.0.171.239"),
            ("CHATD_SERVICE_PORT", "8080"),
            ("CHATD_SERVICE_PORT_HTTP", "8080"),
            ("CHATD_PORT_8080_TCP", "tcp://10.0.171.239:8080"),
            ("CHATD_PORT_8080_TCP_ADDR", "10.0.171.239"),
        ];
        let (flags, warnings) = parsed(&[], &variables).unwrap();
        assert_eq!((flags.port, warnings.len()), (8080, 1), "{warnings:?}");
        assert!(warnings[0].contains("enableServiceLinks"), "{warnings:?}");
        let (flags, warnings) = parsed(&["--port", "1"], &variables).unwrap();
        assert_eq!((flags.port, warnings.len()), (1, 0), "{warnings:?}");
    }

    #[test]
    fn a_variable_that_there_is_not_is_named_once_and_not_its_value() {
        let variables = [
            ("CHATD_PROT", "80"),
            ("CHATD_SECRET", "hush"),
            ("CHATDX", ""),
        ];
        let (_, warnings) = parsed(&[], &variables).unwrap();
        assert_eq!(warnings.len(), 1);
        assert!(
            warnings[0].contains("CHATD_PROT, CHATD_SECRET:"),
            "{warnings:?}"
        );
        assert!(!warnings[0].contains("hush"), "{warnings:?}");
    }

    #[test]
    fn help_is_shown_whatever_the_variables_are() {
        for word in ["--help", "-h", "--version"] {
            let words = ["chatd", word].map(OsString::from);
            let found = parse(words, [("CHATD_PORT".into(), "rubbish".into())]);
            assert_eq!(found.err().unwrap().exit_code(), 0, "{word}");
        }
    }
}
