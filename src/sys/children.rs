//! What a parent needs: signals as bare numbers (libraries have no name for the real-time ones, and
//! keep a few for themselves), a fork, waits, and an end by signal.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::libc;
use nix::poll::PollFd;
use nix::sys::signal::{SigHandler, Signal};
use nix::unistd::{ForkResult, Pid};

/// A set of signals: bit n-1 is signal n.
pub type Mask = u64;

/// All of them; the kernel leaves KILL and STOP out by itself.
pub const EVERY: Mask = Mask::MAX;

/// The set with these signals.
pub const fn mask(numbers: &[i32]) -> Mask {
    let mut mask = 0;
    let mut at = 0;
    while at < numbers.len() {
        mask |= 1 << (numbers[at] - 1);
        at += 1;
    }
    mask
}

/// Blocks exactly these signals; gives what was blocked before.
pub fn block(mask: Mask) -> Mask {
    let mut before: Mask = 0;
    // SAFETY: both pointers are to a set of the size that is said. Not by libc, whose sets lack the
    // signals that it uses for threads, which there are none of when this is called.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const mask,
            &raw mut before,
            size_of::<Mask>(),
        )
    };
    before
}

/// Makes SIGCHLD what it has to be for waits to work. Was it ignored?
pub fn hear_of_children() -> bool {
    super::dispose(Signal::SIGCHLD, SigHandler::SigDfl)
}

/// Ignores SIGCHLD again, for a program that is to inherit that.
pub fn ignore_children() {
    super::dispose(Signal::SIGCHLD, SigHandler::SigIgn);
}

/// Splits this process in two. `None` in the child.
pub fn fork() -> nix::Result<Option<Pid>> {
    // SAFETY: called before there is a second thread, so the child may do whatever the parent may.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Parent { child } => Ok(Some(child)),
        ForkResult::Child => Ok(None),
    }
}

/// A signal that came, and from where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Received {
    /// Its number.
    pub number: i32,
    /// Its origin: zero and below is a process, above is the kernel.
    pub code: i32,
    /// The process that sent it; 0 for the kernel and for one outside of our namespace.
    pub sender: i32,
    /// What `sigqueue` sent along.
    pub value: u64,
}

/// Blocked signals, to be read.
pub struct Signals(OwnedFd);

impl Signals {
    /// Those of `mask`, which must be blocked.
    pub fn of(mask: Mask) -> nix::Result<Signals> {
        let fd = signalfd(-1, mask)?;
        // SAFETY: the kernel has just made it for us.
        Ok(Signals(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// From now on those of `mask`.
    pub fn change(&self, mask: Mask) -> nix::Result<()> {
        signalfd(self.0.as_raw_fd(), mask).map(drop)
    }

    /// The next one that waits.
    pub fn next(&self) -> Option<Received> {
        // struct signalfd_siginfo, of which four fields are read.
        let mut raw = [0u8; 128];
        let count = nix::unistd::read(&self.0, &mut raw).ok()?;
        let field = |at: usize| Some(i32::from_ne_bytes(*raw.get(at..)?.first_chunk()?));
        if count < raw.len() {
            return None;
        }
        Some(Received {
            number: field(0)?,
            code: field(8)?,
            sender: field(12)?,
            value: u64::from_ne_bytes(*raw.get(48..)?.first_chunk()?),
        })
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn signalfd(fd: RawFd, mask: Mask) -> nix::Result<RawFd> {
    let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
    let size = size_of::<Mask>();
    // SAFETY: the pointer is to a set of the size that is said.
    let made = unsafe { libc::syscall(libc::SYS_signalfd4, fd, &raw const mask, size, flags) };
    Errno::result(made).map(|fd| RawFd::try_from(fd).unwrap_or(-1))
}

/// Sends a signal: to a process, to a group (negative), by the rules of `kill`.
pub fn send(to: i32, number: i32) -> nix::Result<()> {
    // SAFETY: numbers only.
    Errno::result(unsafe { libc::kill(to, number) }).map(drop)
}

/// Sends a signal with a value to a process.
pub fn queue(to: Pid, number: i32, value: u64) -> nix::Result<()> {
    // siginfo_t of SI_QUEUE, by its layout on 64-bit machines.
    let mut info = [0u64; 16];
    let code = u64::from(libc::SI_QUEUE.cast_unsigned());
    let sender = u64::from(nix::unistd::getpid().as_raw().cast_unsigned());
    let user = u64::from(nix::unistd::getuid().as_raw());
    let halves = |low: u64, high: u64| {
        if cfg!(target_endian = "little") {
            low | high << 32
        } else {
            low << 32 | high
        }
    };
    info[0] = halves(u64::from(number.cast_unsigned()), 0);
    info[1] = halves(code, 0);
    info[2] = halves(sender, user);
    info[3] = value;
    let to = to.as_raw();
    // SAFETY: the kernel reads 128 bytes, which is what `info` has.
    let sent = unsafe { libc::syscall(libc::SYS_rt_sigqueueinfo, to, number, info.as_ptr()) };
    Errno::result(sent).map(drop)
}

/// How a process ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// By itself, with this status.
    Code(u8),
    /// By this signal.
    Signal(u8),
}

/// What a wait has found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Waited {
    /// A child has ended, and is gone now.
    Ended(Pid, Status),
    /// A child was stopped.
    Stopped(Pid),
    /// A child goes on.
    Continued(Pid),
    /// There are children, and nothing new of them.
    Nothing,
    /// There are no children.
    NoChildren,
}

/// Looks for news of any child, without waiting.
pub fn wait() -> Waited {
    let mut status = 0;
    let options = libc::WNOHANG | libc::WUNTRACED | libc::WCONTINUED;
    // SAFETY: the pointer is to the number that the kernel fills.
    let pid = unsafe { libc::waitpid(-1, &raw mut status, options) };
    let byte = |n: i32| u8::try_from(n).unwrap_or(u8::MAX);
    match pid {
        -1 => Waited::NoChildren,
        0 => Waited::Nothing,
        pid => {
            let pid = Pid::from_raw(pid);
            if libc::WIFSTOPPED(status) {
                Waited::Stopped(pid)
            } else if libc::WIFCONTINUED(status) {
                Waited::Continued(pid)
            } else if libc::WIFSIGNALED(status) {
                Waited::Ended(pid, Status::Signal(byte(libc::WTERMSIG(status))))
            } else {
                Waited::Ended(pid, Status::Code(byte(libc::WEXITSTATUS(status))))
            }
        }
    }
}

/// Dies of a signal, so that whoever waits for us sees what we saw. Returns where the kernel does not
/// let it: as PID 1, and for the signals that end nothing.
pub fn die_of(number: u8) {
    suffer(nix::unistd::getpid().as_raw(), number.into());
}

/// Stops this process with its whole group, or goes on where the kernel sees nobody who could continue it.
/// A continuation that comes in between wins: it takes back what is not suffered yet.
pub fn stop_all_by(number: i32) {
    suffer(0, number);
    block(EVERY);
}

fn suffer(to: i32, number: i32) {
    // SAFETY: no handler is set, only the default. It fails for KILL, which needs none.
    unsafe { libc::signal(number, libc::SIG_DFL) };
    send(to, number).ok();
    block(EVERY & !mask(&[number]));
}

/// Overwrites the environment that this process was started with: it stays readable in `/proc` as
/// long as the process lives. Nobody may read it afterwards.
pub fn wipe_environment() {
    for string in super::environment_strings() {
        // SAFETY: a string with its NUL.
        let length = unsafe { libc::strlen(string) };
        // SAFETY: the kernel put the strings on our stack, which may be written; the caller promises
        // that nobody looks at them again.
        unsafe { string.cast_mut().write_bytes(0, length) };
    }
}

/// Closes every descriptor above 2 but these.
pub fn close_all_but(kept: &[RawFd]) {
    let mut kept: Vec<RawFd> = kept.to_vec();
    kept.push(RawFd::MAX);
    kept.sort_unstable();
    let mut first = 3;
    for fd in kept {
        // SAFETY: numbers only; nothing in this process uses any of these descriptors again.
        let closed = unsafe { libc::syscall(libc::SYS_close_range, first, fd - 1, 0) };
        if first < fd && closed == -1 {
            // Kernels before 5.9.
            let most = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE);
            let most = most.map_or(1024, |(soft, _)| soft.min(1 << 16));
            let most = RawFd::try_from(most).unwrap_or(1024);
            for fd in first..fd.min(most) {
                nix::unistd::close(fd).ok();
            }
        }
        first = fd.saturating_add(1);
    }
}

/// Gives back the memory of our own program file, and sleeps until one of these is ready. The pages are
/// read again when they are needed, and to wait for a signal few are. (A file that no other process
/// runs counts as ours alone.) Not by libc: the kernel maps pages again in large pieces, around each
/// place that is returned to, and so there is one such place.
#[inline(never)]
pub fn sleep_for_long(fds: &mut [PollFd<'_>]) {
    unsafe extern "C" {
        // SAFETY: the linker makes both; only their addresses are looked at.
        safe static __ehdr_start: libc::c_char;
        safe static etext: libc::c_char;
    }
    const DONT_NEED: usize = libc::MADV_DONTNEED.cast_unsigned() as usize;
    let start = (&raw const __ehdr_start).addr();
    let end = (&raw const etext).addr();
    let (fds, count) = (fds.as_mut_ptr().expose_provenance(), fds.len());
    // SAFETY: from the header of the file to the end of its code nothing can be written, so that the
    // pages in the file are what is in memory.
    unsafe {
        call(
            libc::SYS_madvise,
            [start, end.saturating_sub(start), DONT_NEED, 0],
        )
    };
    // SAFETY: `PollFd` is a `pollfd`, and there are `count` of them; no time limit and no mask.
    unsafe { call(libc::SYS_ppoll, [fds, count, 0, 0]) };
}

/// A system call, made where it is written (where we know how; else by libc's hand).
#[inline(always)]
unsafe fn call(number: libc::c_long, words: [usize; 4]) {
    // SAFETY: the caller's; the kernel changes nothing but these registers.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        std::arch::asm!(
            "syscall",
            inlateout("rax") number => _,
            in("rdi") words[0],
            in("rsi") words[1],
            in("rdx") words[2],
            in("r10") words[3],
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
        #[cfg(target_arch = "aarch64")]
        std::arch::asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") words[0] => _,
            in("x1") words[1],
            in("x2") words[2],
            in("x3") words[3],
            options(nostack),
        );
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        libc::syscall(number, words[0], words[1], words[2], words[3], 0);
    }
}
