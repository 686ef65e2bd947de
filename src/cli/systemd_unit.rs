//! `chatd systemd-unit`

use std::fmt::Write;
use std::net::SocketAddr;

use clap::Args;

use super::flags::Flags;
use super::output::say_all;

/// Seconds beyond --shutdown-grace until systemd kills: for the last commit and checkpoint.
const STOP_MARGIN_SECS: u64 = 20;

/// The unit's sandbox: what the service needs is allowed, and nothing else.
const HARDENING: &str = "\
DynamicUser=yes
StateDirectory=chatd
StateDirectoryMode=0700
UMask=0077
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
RemoveIPC=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM
";

/// Prints a hardened systemd unit with a watchdog; flags before the command set its port.
///
/// chatd systemd-unit > /etc/systemd/system/chatd.service
/// chatd systemd-unit --socket > /etc/systemd/system/chatd.socket
///
/// With the socket unit, systemd holds the port, and a restart refuses no client. Settings are
/// CHATD_ variables in /etc/chatd.conf.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(super) struct SystemdUnit {
    /// Print the socket unit that goes with it
    #[arg(long)]
    socket: bool,
}

impl SystemdUnit {
    pub(super) fn run(&self, flags: &Flags) -> Result<(), String> {
        if self.socket {
            return say_all(socket(SocketAddr::new(flags.host, flags.port)).as_bytes());
        }
        let program = std::env::current_exe()
            .map_err(|error| format!("where this program is cannot be found out: {error}"))?;
        let program = program.to_str().filter(|path| {
            path.chars()
                .all(|c| c.is_alphanumeric() || "/._-+".contains(c))
        });
        let program = program.ok_or(
            "the path of this program has characters that systemd reads otherwise: install it as /usr/local/bin/chatd",
        )?;
        say_all(service(program, flags).as_bytes())
    }
}

fn service(program: &str, flags: &Flags) -> String {
    let mut unit = format!(
        "\
# Made by `chatd systemd-unit`.
[Unit]
Description=chatd, a real-time chat server
After=network-online.target
Wants=network-online.target

[Service]
Type=notify
ExecStart={program}
ExecReload=/bin/kill -HUP $MAINPID
Environment=CHATD_DATA=%S/chatd/chatd.redb CHATD_HOST={} CHATD_PORT={} CHATD_SHUTDOWN_GRACE={}ms
# CHATD_REGISTRATION=open and the like, one a line; see chatd --help.
EnvironmentFile=-/etc/chatd.conf
LimitNOFILE=131072
Restart=always
RestartSec=1
# What a crash left behind is checked before it is served: 3 s a GB.
TimeoutStartSec=infinity
TimeoutStopSec={}
# Fed only while the server works: its tasks run, and its writer writes.
WatchdogSec=30
",
        flags.host,
        flags.port,
        flags.shutdown_grace.as_millis(),
        flags.shutdown_grace.as_secs() + STOP_MARGIN_SECS
    );
    unit.push_str(HARDENING);
    // Ports below 1024 are the superuser's, who gives this one away.
    if flags.port < 1024 {
        unit.push_str("AmbientCapabilities=CAP_NET_BIND_SERVICE\nCapabilityBoundingSet=CAP_NET_BIND_SERVICE\n");
    } else {
        unit.push_str("CapabilityBoundingSet=\nPrivateUsers=yes\n");
    }
    let _ = write!(unit, "\n[Install]\nWantedBy=multi-user.target\n");
    unit
}

fn socket(address: SocketAddr) -> String {
    format!(
        "\
# Made by `chatd systemd-unit --socket`: systemd holds the port while chatd restarts, so that nobody is refused.
[Unit]
Description=The port of chatd

[Socket]
ListenStream={address}
NoDelay=yes
Backlog=4096

[Install]
WantedBy=sockets.target
"
    )
}
