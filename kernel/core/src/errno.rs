//! Error numbers: what a system call may fail with.
//!
//! Owns the one error type of the kernel. No locks, never sleeps. The numbers are Linux's (asm-generic/errno.h), taken from the
//! bindings crate; an [`Errno`] is positive, and the system-call entry alone negates it.

use core::fmt;
use core::num::NonZeroUsize;

use linux_raw_sys::errno as number;

/// What a fallible kernel operation returns.
pub type Result<T> = core::result::Result<T, Errno>;

/// A positive Linux error number, 1 to 4095.
///
/// Zero is not a value of the type, so `Result<()>` is as small as the number itself. It is kept as a word, so that a
/// `Result<usize>` travels in two registers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Errno(NonZeroUsize);

/// The largest number the system-call ABI can tell from a result (Linux's `MAX_ERRNO`).
const MAX: u32 = 4095;

impl Errno {
    /// The error with this number, or `None` outside 1..=4095, the range the system-call ABI reserves.
    #[must_use]
    pub const fn from_raw(number: u32) -> Option<Self> {
        match NonZeroUsize::new(number as usize) {
            Some(word) if number <= MAX => Some(Self(word)),
            _ => None,
        }
    }

    /// The positive number, as `errno` shows it to programs.
    #[inline]
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "at most MAX")]
    pub const fn raw(self) -> u32 {
        self.0.get() as u32
    }

    // Never seen by programs: what a call that a signal interrupted asks for (Linux's include/linux/errno.h).

    /// Restart the call if the handler has SA_RESTART, else EINTR.
    pub const ERESTARTSYS: Self = Self::known(512);
    /// Restart the call whatever the handler says.
    pub const ERESTARTNOINTR: Self = Self::known(513);
    /// Restart the call if no handler ran, else EINTR.
    pub const ERESTARTNOHAND: Self = Self::known(514);

    /// For the constants below: a number of the bindings, known to be in range when the crate is compiled.
    const fn known(number: u32) -> Self {
        match Self::from_raw(number) {
            Some(errno) => errno,
            None => panic!("an errno of the bindings lies outside 1..=4095"),
        }
    }
}

/// Defines one associated constant a name, and the way back from number to name.
macro_rules! errnos {
    ($($name:ident)*) => {
        impl Errno {
            $(
                #[doc = concat!("Linux's `", stringify!($name), "`.")]
                pub const $name: Self = Self::known(number::$name);
            )*

            /// The symbolic name, or `None` for a number which Linux does not define.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.raw() {
                    $(number::$name => Some(stringify!($name)),)*
                    _ => None,
                }
            }

            #[cfg(test)]
            const ALL: &'static [Self] = &[$(Self::$name),*];
        }
    };
}

errnos! {
    EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT ENOTBLK EBUSY EEXIST
    EXDEV ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG ENOSPC ESPIPE EROFS EMLINK EPIPE EDOM ERANGE
    EDEADLK ENAMETOOLONG ENOLCK ENOSYS ENOTEMPTY ELOOP ENOMSG EIDRM ECHRNG EL2NSYNC EL3HLT EL3RST ELNRNG EUNATCH
    ENOCSI EL2HLT EBADE EBADR EXFULL ENOANO EBADRQC EBADSLT EBFONT ENOSTR ENODATA ETIME ENOSR ENONET ENOPKG EREMOTE
    ENOLINK EADV ESRMNT ECOMM EPROTO EMULTIHOP EDOTDOT EBADMSG EOVERFLOW ENOTUNIQ EBADFD EREMCHG ELIBACC ELIBBAD
    ELIBSCN ELIBMAX ELIBEXEC EILSEQ ERESTART ESTRPIPE EUSERS ENOTSOCK EDESTADDRREQ EMSGSIZE EPROTOTYPE ENOPROTOOPT
    EPROTONOSUPPORT ESOCKTNOSUPPORT EOPNOTSUPP EPFNOSUPPORT EAFNOSUPPORT EADDRINUSE EADDRNOTAVAIL ENETDOWN ENETUNREACH
    ENETRESET ECONNABORTED ECONNRESET ENOBUFS EISCONN ENOTCONN ESHUTDOWN ETOOMANYREFS ETIMEDOUT ECONNREFUSED EHOSTDOWN
    EHOSTUNREACH EALREADY EINPROGRESS ESTALE EUCLEAN ENOTNAM ENAVAIL EISNAM EREMOTEIO EDQUOT ENOMEDIUM EMEDIUMTYPE
    ECANCELED ENOKEY EKEYEXPIRED EKEYREVOKED EKEYREJECTED EOWNERDEAD ENOTRECOVERABLE ERFKILL EHWPOISON
}

impl Errno {
    /// The same number as [`Errno::EAGAIN`], as on every Linux but a few.
    pub const EWOULDBLOCK: Self = Self::EAGAIN;
    /// The same number as [`Errno::EDEADLK`].
    pub const EDEADLOCK: Self = Self::EDEADLK;
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.pad(name),
            None => write!(f, "errno {}", self.raw()),
        }
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl core::error::Error for Errno {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn every_number_has_one_name_and_comes_back() {
        for (index, errno) in Errno::ALL.iter().enumerate() {
            assert_eq!(Errno::from_raw(errno.raw()), Some(*errno));
            assert!(!Errno::ALL[..index].contains(errno), "{errno} twice");
            assert_eq!(errno.to_string(), errno.name().unwrap());
        }
        assert_eq!(Errno::ALL.len(), 131);
    }

    #[test]
    fn the_numbers_are_linux_ones() {
        let known =
            [(Errno::EPERM, 1), (Errno::EFAULT, 14), (Errno::EPIPE, 32), (Errno::ENOSYS, 38), (Errno::ETIMEDOUT, 110)];
        for (errno, raw) in known {
            assert_eq!(errno.raw(), raw);
        }
    }

    #[test]
    fn numbers_outside_the_abi_are_refused() {
        assert_eq!(Errno::from_raw(0), None);
        assert_eq!(Errno::from_raw(4096), None);
        assert_eq!(Errno::from_raw(4095).unwrap().to_string(), "errno 4095");
    }

    #[test]
    fn a_result_without_a_value_is_one_word() {
        assert_eq!(size_of::<Result<()>>(), size_of::<usize>());
    }
}
