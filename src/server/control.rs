//! The control socket: the same routes for users who may open the data file, without a token.
//!
//! It stands beside the data file and belongs to the same user; others can neither open it nor,
//! should they manage to, get an answer.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tokio::io::DuplexStream;
use tokio::net::{TcpListener, UnixListener, UnixStream};

use crate::store::Location;

/// So many connections wait to be accepted.
const BACKLOG: i32 = 128;
/// The longest path of a socket: what is in `sun_path`, without its end (unix(7)).
const MAX_PATH_BYTES: usize = 107;

/// The door by which requests come.
pub enum Door {
    /// The world, and the control socket beside the data file.
    World(TcpListener),
    /// Only the operator of the server, in this process.
    Operator(DuplexStream),
}

impl From<TcpListener> for Door {
    fn from(listener: TcpListener) -> Self {
        Self::World(listener)
    }
}

/// Returns where the control socket of a data file is: `chatd.redb.sock` beside `chatd.redb`.
pub fn control_socket(data: &Path) -> PathBuf {
    let mut path = data.as_os_str().to_owned();
    path.push(".sock");
    path.into()
}

/// A path by which the kernel finds a socket, however long its own is, for as long as this is
/// there: a longer one leads by its folder, which is held open for that, and so needs `/proc`.
pub struct SocketPath {
    path: PathBuf,
    _folder: Option<OwnedFd>,
}

impl SocketPath {
    /// Fails with [`io::ErrorKind::NotFound`] where a socket cannot have that path, nor be there.
    pub fn of(socket: &Path) -> io::Result<Self> {
        let is_short = |path: &Path| path.as_os_str().len() <= MAX_PATH_BYTES;
        if is_short(socket) {
            return Ok(Self {
                path: socket.to_owned(),
                _folder: None,
            });
        }
        let none = || {
            io::Error::new(
                io::ErrorKind::NotFound,
                "a socket cannot have so long a name",
            )
        };
        let (folder, name) = socket.parent().zip(socket.file_name()).ok_or_else(none)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(folder, flags, Mode::empty())?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(name);
        match is_short(&path) {
            true => Ok(Self {
                path,
                _folder: Some(folder),
            }),
            false => Err(none()),
        }
    }

    /// The path.
    pub fn as_path(&self) -> &Path {
        &self.path
    }
}

/// The socket, there for as long as this is.
pub(super) struct Control {
    listener: UnixListener,
    path: PathBuf,
    owner: u32,
}

impl Control {
    /// Makes the socket. The caller has the data file open, so that no other process can have it.
    pub(super) fn bind(data: &Path) -> io::Result<Self> {
        let path = control_socket(data);
        // One that a killed server left behind.
        if let Ok(found) = std::fs::symlink_metadata(&path)
            && found.file_type().is_socket()
        {
            std::fs::remove_file(&path)?;
        }
        let listener = bind_private(&path)?;
        let owner = rustix::process::geteuid().as_raw();
        Ok(Self {
            listener,
            path,
            owner,
        })
    }

    /// Makes the socket beside the data, or logs why there is none.
    pub(super) fn beside(data: &Location) -> Option<Self> {
        let Location::File(path) = data else {
            return None;
        };
        let made = Self::bind(path);
        made.inspect_err(|error| {
            let path = control_socket(path);
            tracing::warn!(%error, "there is no control socket {}: `chatd user` works only while the server is stopped", path.display());
        })
        .ok()
    }

    /// The next connection of the owner, or of root.
    pub(super) async fn accept(&self) -> io::Result<UnixStream> {
        loop {
            let (stream, _) = self.listener.accept().await?;
            // Whatever became of its mode.
            let peer = stream.peer_cred()?.uid();
            if peer == self.owner || peer == 0 {
                return Ok(stream);
            }
            tracing::warn!(uid = peer, "another user tried the control socket");
        }
    }
}

/// A listening socket that is its owner's alone from its first moment on: Linux gives the name the
/// mode of the socket. Changed by its name afterwards, the mode might be that of another file put
/// there meanwhile. Fails where anything stands there, links included.
fn bind_private(path: &Path) -> io::Result<UnixListener> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::fs::fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    net::bind(
        &socket,
        &SocketAddrUnix::new(SocketPath::of(path)?.as_path())?,
    )?;
    net::listen(&socket, BACKLOG)?;
    UnixListener::from_std(socket.into())
}

impl Drop for Control {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!(%error, "the control socket was not removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[tokio::test]
    async fn the_control_socket_is_its_owners_alone_and_takes_the_place_of_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("chatd.redb");
        let socket = control_socket(&data);
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        let control = Control::bind(&data).unwrap();
        let mode = socket.symlink_metadata().unwrap().permissions().mode();
        assert_eq!(
            mode & 0o7777,
            0o600,
            "one that a killed server left is replaced"
        );
        let mut asking = std::pin::pin!(UnixStream::connect(&socket));
        let (asked, accepted) = tokio::join!(asking.as_mut(), control.accept());
        assert!(asked.is_ok() && accepted.is_ok());
        drop(control);
        assert!(!socket.exists());

        let theirs = folder.path().join("theirs");
        std::fs::write(&theirs, "theirs").unwrap();
        std::fs::set_permissions(&theirs, PermissionsExt::from_mode(0o644)).unwrap();
        symlink(&theirs, &socket).unwrap();
        assert!(Control::bind(&data).is_err());
        let mode = theirs.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o644, "a link was followed");
    }

    /// No command reached the server of a data file that lies deep, nor that file while none ran.
    #[tokio::test]
    async fn the_socket_of_a_data_file_that_lies_deep_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("volumes".repeat(16));
        let socket = control_socket(&deep.join("chatd.redb"));
        let kind = |path: &Path| SocketPath::of(path).map(drop).unwrap_err().kind();
        assert_eq!(kind(&socket), io::ErrorKind::NotFound, "there is no folder");
        std::fs::create_dir(&deep).unwrap();
        let control = Control::bind(&deep.join("chatd.redb")).unwrap();
        assert!(socket.exists());
        let path = SocketPath::of(&socket).unwrap();
        let mut asking = std::pin::pin!(UnixStream::connect(path.as_path()));
        let (asked, accepted) = tokio::join!(asking.as_mut(), control.accept());
        assert!(asked.is_ok() && accepted.is_ok());
        drop(control);
        assert!(!socket.exists());
        // A name for which there is no place at all.
        assert_eq!(kind(&deep.join("x".repeat(200))), io::ErrorKind::NotFound);
    }
}
