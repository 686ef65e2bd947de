//! How much memory this process may use: what its control groups and its resource limits say, else
//! what the machine has.
//!
//! A container and a unit of systemd with `MemoryMax=` are control groups. The kernel ends a
//! process that goes over the limit of its group or of any group above, whatever the machine has.
//! Both versions of the interface are read, cgroups(7): version 2 has `memory.max` and
//! `memory.high` in each folder, version 1 `memory.limit_in_bytes`.

use std::fs::read_to_string;
use std::path::Path;

/// A limit of version 1 from here on is none: without a limit it reads as the greatest number of
/// whole pages.
const NO_LIMIT: u64 = 1 << 60;

/// An amount of memory, and the source of that number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Its bytes.
    pub bytes: u64,
    /// The source of that number, in words for a log.
    pub source: &'static str,
}

/// Returns the least limit of a process that sees this root. `rlimits` are the soft limits of
/// address space and of data, where there are such.
fn memory(root: &Path, machine: u64, rlimits: impl IntoIterator<Item = u64>) -> Memory {
    let groups = group_limits(root).into_iter().map(|bytes| Memory {
        bytes,
        source: "the control group",
    });
    let rlimits = rlimits.into_iter().map(|bytes| Memory {
        bytes,
        source: "the resource limit (ulimit -v, -d)",
    });
    let machine = Memory {
        bytes: machine,
        source: "the machine",
    };
    let limits = groups
        .chain(rlimits)
        .filter(|limit| (1..NO_LIMIT).contains(&limit.bytes));
    limits.fold(machine, |least, limit| {
        if limit.bytes < least.bytes {
            limit
        } else {
            least
        }
    })
}

/// Every limit of the groups that this process is in, and of those above.
fn group_limits(root: &Path) -> Vec<u64> {
    let text = |path: &str| read_to_string(root.join(path)).unwrap_or_default();
    let (groups, mounts) = (text("proc/self/cgroup"), text("proc/self/mountinfo"));
    let mut limits = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (parts.next(), parts.next()) else {
            continue;
        };
        let version = match controllers {
            "" => Version::Two,
            some if some.split(',').any(|name| name == "memory") => Version::One,
            _ => continue,
        };
        for mount in mounts
            .lines()
            .filter_map(Mount::read)
            .filter(|mount| mount.version == version)
        {
            limits.extend(mount.limits(root, group));
        }
    }
    limits
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// A mount in which groups can be seen: a line of mountinfo, proc_pid_mountinfo(5).
struct Mount {
    version: Version,
    /// The group that the folder shows: not the topmost one, in a container.
    shows: String,
    folder: String,
}

impl Mount {
    /// `None` for a line of another file system, or of another controller.
    fn read(line: &str) -> Option<Self> {
        let (left, right) = line.split_once(" - ")?;
        let mut right = right.split(' ');
        let version = match right.next()? {
            "cgroup2" => Version::Two,
            "cgroup" => Version::One,
            _ => return None,
        };
        let options = right.nth(1).unwrap_or_default();
        if version == Version::One && !options.split(',').any(|name| name == "memory") {
            return None;
        }
        let mut left = left.split(' ').skip(3);
        Some(Self {
            version,
            shows: unescape(left.next()?),
            folder: unescape(left.next()?),
        })
    }

    /// The limits from the folder of this group upwards.
    fn limits(&self, root: &Path, group: &str) -> Vec<u64> {
        let top = root.join(self.folder.trim_start_matches('/'));
        let shown = self.shows.trim_end_matches('/');
        // A container may be told of its group by a name that it cannot see: then the folder shows
        // its own.
        let inside = group
            .strip_prefix(shown)
            .filter(|rest| rest.is_empty() || rest.starts_with('/'))
            .filter(|rest| !rest.split('/').any(|part| part == ".."))
            .unwrap_or_default();
        let mut folder = top.join(inside.trim_start_matches('/'));
        while folder != top && !folder.is_dir() {
            folder.pop();
        }
        let mut limits = Vec::new();
        loop {
            limits.extend(self.version.limits(&folder));
            if folder == top || !folder.pop() {
                return limits;
            }
        }
    }
}

impl Version {
    /// The limits that one folder states.
    fn limits(self, folder: &Path) -> Vec<u64> {
        let number = |name: &str| read_to_string(folder.join(name)).ok()?.trim().parse().ok();
        match self {
            // The word `max` is no number, and no limit.
            Self::Two => ["memory.max", "memory.high"]
                .into_iter()
                .filter_map(number)
                .collect(),
            Self::One => {
                let own = number("memory.limit_in_bytes");
                // Counts groups above that a container does not see.
                let stat = read_to_string(folder.join("memory.stat")).unwrap_or_default();
                let above = stat
                    .lines()
                    .find_map(|line| line.strip_prefix("hierarchical_memory_limit "))
                    .and_then(|text| text.trim().parse().ok());
                own.into_iter().chain(above).collect()
            }
        }
    }
}

/// Spaces and backslashes of a path stand as octal numbers there.
fn unescape(text: &str) -> String {
    text.replace("\\040", " ")
        .replace("\\011", "\t")
        .replace("\\134", "\\")
}

/// Returns the memory of this machine, in bytes.
fn of_machine() -> u64 {
    let machine = rustix::system::sysinfo();
    u64::from(machine.mem_unit).saturating_mul(machine.totalram)
}

/// Returns what this very process may use.
pub fn memory_of_this_process() -> Memory {
    use rustix::process::{Resource, getrlimit};
    let soft = |resource| getrlimit(resource).current;
    let rlimits = [Resource::As, Resource::Data].into_iter().filter_map(soft);
    memory(Path::new("/"), of_machine(), rlimits)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const GIB: u64 = 1 << 30;

    /// A root with these files, on a machine of 24 GiB.
    fn seen(files: &[(&str, &str)], rlimits: &[u64]) -> Memory {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        memory(root.path(), 24 * GIB, rlimits.iter().copied())
    }

    const TWO: &str = "29 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
    const ONE: &str = "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
        36 32 0:33 / /sys/fs/cgroup/memory rw,nosuid shared:16 - cgroup cgroup rw,memory\n\
        37 32 0:34 / /sys/fs/cgroup/cpu rw,nosuid shared:17 - cgroup cgroup rw,cpu,cpuacct\n";

    #[test]
    fn without_any_limit_there_is_what_the_machine_has() {
        for files in [
            &[][..],
            &[("proc/self/cgroup", "0::/\n"), ("proc/self/mountinfo", TWO)],
            &[
                ("proc/self/cgroup", "0::/user.slice\n"),
                ("proc/self/mountinfo", TWO),
                ("sys/fs/cgroup/user.slice/memory.max", "max\n"),
                ("sys/fs/cgroup/user.slice/memory.high", "max\n"),
            ],
            &[
                ("proc/self/cgroup", "4:memory:/\n0::/\n"),
                ("proc/self/mountinfo", ONE),
                (
                    "sys/fs/cgroup/memory/memory.limit_in_bytes",
                    "9223372036854771712\n",
                ),
            ],
            &[
                ("proc/self/cgroup", "nonsense\n::\n0:\n"),
                ("proc/self/mountinfo", "nonsense\n - cgroup2\n"),
            ],
        ] {
            let found = seen(files, &[u64::MAX]);
            assert_eq!((found.bytes, found.source), (24 * GIB, "the machine"));
        }
    }

    #[test]
    fn a_unit_of_systemd_is_bound_by_its_own_limit_and_by_those_of_the_slices_above() {
        let unit = "sys/fs/cgroup/system.slice/chatd.service";
        let max = format!("{unit}/memory.max");
        let high = format!("{unit}/memory.high");
        let base = [
            ("proc/self/cgroup", "0::/system.slice/chatd.service\n"),
            ("proc/self/mountinfo", TWO),
        ];
        let with = |more: &[(&str, &str)]| seen(&[&base, more].concat(), &[]).bytes;
        assert_eq!(with(&[(&max, "134217728\n")]), 128 * MIB);
        assert_eq!(
            with(&[(&max, "134217728\n"), (&high, "100000000\n")]),
            100_000_000,
            "from there on it is slowed down"
        );
        assert_eq!(
            with(&[
                (&max, "max\n"),
                ("sys/fs/cgroup/system.slice/memory.max", "67108864\n")
            ]),
            64 * MIB,
            "the slice's limit was not seen"
        );
        assert_eq!(
            with(&[("sys/fs/cgroup/memory.max", "50000000\n")]),
            50_000_000,
            "a container's own group is the topmost that it sees"
        );
    }

    #[test]
    fn a_container_is_bound_by_the_folder_that_it_sees_however_its_group_is_called() {
        // Without a namespace of its own the group is named as outside, and the folder shows that
        // group.
        let shown = "29 23 0:26 /docker/4f2a /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n";
        for group in [
            "0::/docker/4f2a\n",
            "0::/\n",
            "0::/../../docker/4f2a\n",
            "0::/docker/4f2abc\n",
            "0::/kubepods/pod1/4f2a\n",
        ] {
            let found = seen(
                &[
                    ("proc/self/cgroup", group),
                    ("proc/self/mountinfo", shown),
                    ("sys/fs/cgroup/memory.max", "134217728\n"),
                ],
                &[],
            );
            assert_eq!(
                (found.bytes, found.source),
                (128 * MIB, "the control group"),
                "{group}"
            );
        }
    }

    #[test]
    fn version_1_counts_its_own_limit_and_those_above_that_are_out_of_sight() {
        let base = [
            (
                "proc/self/cgroup",
                "9:name=systemd:/\n4:cpu,cpuacct:/other\n3:hugetlb,memory:/docker/4f2a\n0::/\n",
            ),
            ("proc/self/mountinfo", ONE),
        ];
        let group = "sys/fs/cgroup/memory/docker/4f2a";
        let (limit, stat) = (
            format!("{group}/memory.limit_in_bytes"),
            format!("{group}/memory.stat"),
        );
        let with = |more: &[(&str, &str)]| seen(&[&base, more].concat(), &[]).bytes;
        assert_eq!(with(&[(&limit, "134217728\n")]), 128 * MIB);
        assert_eq!(
            with(&[
                (&limit, "134217728\n"),
                (
                    &stat,
                    "cache 0\nhierarchical_memory_limit 67108864\nrss 1\n"
                )
            ]),
            64 * MIB
        );
        assert_eq!(
            with(&[(
                "sys/fs/cgroup/memory/docker/memory.limit_in_bytes",
                "50000000\n"
            )]),
            50_000_000
        );
    }

    #[test]
    fn a_limit_of_the_shell_counts_too_and_the_least_of_all_is_what_there_is() {
        let files = [
            ("proc/self/cgroup", "0::/\n"),
            ("proc/self/mountinfo", TWO),
            ("sys/fs/cgroup/memory.max", "1073741824\n"),
        ];
        assert_eq!(seen(&files, &[u64::MAX, 4 * GIB]).bytes, GIB);
        let found = seen(&files, &[512 * MIB, u64::MAX]);
        assert_eq!(found.bytes, 512 * MIB);
        assert!(found.source.contains("ulimit"));
        assert_eq!(seen(&[], &[0]).bytes, 24 * GIB, "a limit of 0 is nonsense");
    }

    #[test]
    fn this_very_process_may_use_some_memory() {
        let own = memory_of_this_process();
        assert!(own.bytes > 16 * MIB && own.bytes <= of_machine(), "{own:?}");
    }
}
