//! What systemd is told. In a unit with `Type=notify` it listens to the main process alone, which is
//! the supervisor, unless the unit says otherwise.

use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use nix::unistd::Pid;

use crate::report::Report;
use crate::settings::{Inherited, Notify, Supervision};

const VARIABLE: &str = "NOTIFY_SOCKET";

/// Where systemd listens.
pub(super) struct Socket(SocketAddr);

/// The program's words may be lost; whoever has decided knows.
pub(super) fn warn(told: &Supervision, inherited: &Inherited, report: &Report) {
    if told.notify.is_none() && address(inherited).is_some() {
        report.warn(
            "NOTIFY_SOCKET is set, and systemd hears the main process alone, which is envshim now",
            Some("--notify main-pid with NotifyAccess=all; or --notify pass with NotifyAccess=exec or all"),
        );
    }
}

fn address(inherited: &Inherited) -> Option<SocketAddr> {
    let value = inherited.value(VARIABLE)?;
    match value.split_first()? {
        (b'@', name) => SocketAddr::from_abstract_name(name).ok(),
        _ => SocketAddr::from_pathname(OsStr::from_bytes(value)).ok(),
    }
}

impl Socket {
    /// The socket, where we are to speak.
    pub(super) fn of(told: &Supervision, inherited: &Inherited) -> Option<Socket> {
        let speaks = told.notify == Some(Notify::MainPid);
        address(inherited).filter(|_| speaks).map(Socket)
    }

    /// Says which process is the main one from now on.
    pub(super) fn main_process(&self, pid: Pid) {
        // Nobody to tell if it fails: the unit then times out, and its log says so.
        let socket = UnixDatagram::unbound();
        let words = format!("MAINPID={pid}");
        drop(socket.and_then(|socket| socket.send_to_addr(words.as_bytes(), &self.0)));
    }
}
