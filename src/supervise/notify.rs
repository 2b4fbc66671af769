//! What systemd is told. In a unit with `Type=notify` it listens to the main process alone, which is
//! the supervisor, unless the unit says otherwise.
//!
//! `--notify proxy` gives the program a socket of ours and says its words again, descriptors and all;
//! only who the main process is stays as systemd knows it. The name is abstract, so that there is no
//! file to be left behind, and the kernel tells who has sent what.

use std::ffi::CString;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixAddr,
    UnixCredentials, bind, recvmsg, sendmsg, setsockopt, socket, sockopt,
};
use nix::unistd::{Pid, close, getpid, getuid};

use super::tree;
use crate::report::Report;
use crate::settings::{Inherited, Notify, Supervision};
use crate::sys;

const VARIABLE: &str = "NOTIFY_SOCKET";

/// As many bytes as systemd takes, and as many descriptors as the kernel.
const MOST: usize = 4096;
const DESCRIPTORS: usize = 253;

const CONTROL: usize = 128 + DESCRIPTORS * size_of::<RawFd>();

/// Where the kernel puts credentials and descriptors, as C structures.
#[repr(align(16))]
struct Control([u8; CONTROL]);

/// The program's words may be lost; whoever has decided knows.
pub(super) fn warn(told: &Supervision, inherited: &Inherited, report: &Report) {
    if told.notify.is_none() && address(inherited).is_some() {
        report.warn(
            "NOTIFY_SOCKET is set, and systemd hears the main process alone, which is envshim now",
            Some("--notify proxy; or --notify pass with NotifyAccess=exec or all in the unit"),
        );
    }
}

fn address(inherited: &Inherited) -> Option<UnixAddr> {
    let value = inherited.value(VARIABLE)?;
    match value.split_first()? {
        (b'@', name) => UnixAddr::new_abstract(name).ok(),
        (b'/', _) => UnixAddr::new(value).ok(),
        _ => None,
    }
}

/// The way to systemd.
pub(super) struct Notifier {
    socket: OwnedFd,
    systemd: UnixAddr,
    /// What the program gets as its `NOTIFY_SOCKET`.
    name: Option<String>,
}

impl Notifier {
    /// Where we are to speak, or to listen too.
    pub(super) fn of(told: &Supervision, inherited: &Inherited) -> Result<Option<Notifier>, Errno> {
        let listens = match told.notify {
            Some(Notify::Proxy) => true,
            Some(Notify::MainPid) => false,
            Some(Notify::Pass) | None => return Ok(None),
        };
        let Some(systemd) = address(inherited) else {
            return Ok(None);
        };
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Unix, SockType::Datagram, flags, None)?;
        let mut name = None;
        if listens {
            let mut random = [0; 16];
            sys::random(&mut random)?;
            let text = format!("envshim-notify-{:032x}", u128::from_ne_bytes(random));
            setsockopt(&socket, sockopt::PassCred, &true)?;
            bind(
                socket.as_raw_fd(),
                &UnixAddr::new_abstract(text.as_bytes())?,
            )?;
            name = Some(text);
        }
        Ok(Some(Notifier {
            socket,
            systemd,
            name,
        }))
    }

    /// The variable of the program.
    pub(super) fn variable(&self) -> Option<CString> {
        let name = self.name.as_ref()?;
        CString::new(format!("{VARIABLE}=@{name}")).ok()
    }

    /// To be polled, and kept.
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// The program is there.
    pub(super) fn started(&self, program: Pid) {
        if self.name.is_none() {
            self.say(format!("MAINPID={program}").as_bytes(), &[]);
        }
    }

    /// Says what the program has said.
    pub(super) fn relay(&self, program: Pid) {
        if self.name.is_none() {
            return;
        }
        let mut bytes = [0; MOST];
        let mut space = Control([0; CONTROL]);
        loop {
            let mut parts = [IoSliceMut::new(&mut bytes)];
            let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
            let got = recvmsg::<UnixAddr>(
                self.socket.as_raw_fd(),
                &mut parts,
                Some(&mut space.0),
                flags,
            );
            let Ok(got) = got else { return };
            let (mut sender, mut descriptors) = (None, Vec::new());
            for control in got.cmsgs().into_iter().flatten() {
                match control {
                    ControlMessageOwned::ScmCredentials(who) => sender = Some(who),
                    ControlMessageOwned::ScmRights(more) => descriptors.extend(more),
                    _ => {}
                }
            }
            let whole = !got.flags.contains(MsgFlags::MSG_TRUNC);
            let count = got.bytes;
            if whole && sender.is_some_and(|sender| is_ours(&sender, program)) {
                let words = rewritten(bytes.get(..count).unwrap_or_default(), getpid());
                self.say(&words, &descriptors);
            }
            for fd in descriptors {
                close(fd).ok();
            }
        }
    }

    fn say(&self, words: &[u8], descriptors: &[RawFd]) {
        let rights = [ControlMessage::ScmRights(descriptors)];
        let control: &[_] = if descriptors.is_empty() { &[] } else { &rights };
        let parts = [IoSlice::new(words)];
        if words.is_empty() && descriptors.is_empty() {
            return;
        }
        // Nobody to tell if it fails: the unit then times out, and its log says so.
        let fd = self.socket.as_raw_fd();
        sendmsg(fd, &parts, control, MsgFlags::empty(), Some(&self.systemd)).ok();
    }
}

/// A process of the same user, or one that descends from us: others can write to an abstract name too.
fn is_ours(sender: &UnixCredentials, program: Pid) -> bool {
    sender.uid() == getuid().as_raw()
        || sender.pid() == program.as_raw()
        || tree::descendants(&[]).iter().any(|p| p.pid == sender.pid())
}

/// The lines, but for those that would make another process the main one.
fn rewritten(words: &[u8], own: Pid) -> Vec<u8> {
    let own = format!("MAINPID={own}").into_bytes();
    let lines = words.split(|byte| *byte == b'\n').filter_map(|line| {
        if line.starts_with(b"MAINPID=") {
            Some(own.as_slice())
        } else {
            (!line.starts_with(b"MAINPID")).then_some(line)
        }
    });
    lines.collect::<Vec<_>>().join(&b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_main_process_stays_what_it_is() {
        let own = Pid::from_raw(7);
        for (said, meant) in [
            ("READY=1", "READY=1"),
            (
                "READY=1\nMAINPID=99\nSTATUS=up",
                "READY=1\nMAINPID=7\nSTATUS=up",
            ),
            ("MAINPIDFDID=3\nREADY=1\n", "READY=1\n"),
            ("STATUS=MAINPID=5", "STATUS=MAINPID=5"),
        ] {
            assert_eq!(rewritten(said.as_bytes(), own), meant.as_bytes());
        }
    }
}
