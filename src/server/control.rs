//! The control socket: the same routes for whoever may use the data file, without a token.
//!
//! It stands beside the data file and belongs to the same user; others can neither open it nor, should they manage to,
//! get an answer.

use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::io::DuplexStream;
use tokio::net::{TcpListener, UnixListener, UnixStream};

/// By what requests come.
pub enum Door {
    /// The world, and the control socket beside the data file.
    World(TcpListener),
    /// One who operates the server, in this process, and nobody else.
    Operator(DuplexStream),
}

impl From<TcpListener> for Door {
    fn from(listener: TcpListener) -> Self {
        Self::World(listener)
    }
}

/// Where the control socket of a data file is: `chatd.redb.sock` beside `chatd.redb`.
pub fn control_socket(data: &Path) -> PathBuf {
    let mut path = data.as_os_str().to_owned();
    path.push(".sock");
    path.into()
}

/// The socket, there for as long as this is.
pub(super) struct Control {
    listener: UnixListener,
    path: PathBuf,
    owner: u32,
}

impl Control {
    /// Makes the socket. To be called by whoever has the data file open, for nobody else then can have it.
    pub(super) fn bind(data: &Path) -> io::Result<Self> {
        let path = control_socket(data);
        // One that a killed server left behind.
        if let Ok(found) = std::fs::symlink_metadata(&path)
            && found.file_type().is_socket()
        {
            std::fs::remove_file(&path)?;
        }
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        let owner = std::fs::metadata(&path)?.uid();
        Ok(Self {
            listener,
            path,
            owner,
        })
    }

    /// The next connection of the owner, or of root.
    pub(super) async fn accept(&self) -> io::Result<UnixStream> {
        loop {
            let (stream, _) = self.listener.accept().await?;
            // Between its making and its mode the socket may have been open to others.
            let peer = stream.peer_cred()?.uid();
            if peer == self.owner || peer == 0 {
                return Ok(stream);
            }
            tracing::warn!(uid = peer, "somebody else tried the control socket");
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!(%error, "the control socket was not removed");
        }
    }
}
