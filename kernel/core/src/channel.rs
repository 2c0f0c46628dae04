//! What names one of the rings behind `/dev/hello`: a control group, and perhaps a channel in it.
//!
//! Values; no locks, never sleeps. Specification: seed 001 §3.3, and its §6.1 for channels by name.

use crate::errno::{Errno, Result};
use core::fmt;

/// Bytes in the longest name.
pub const NAME_MAX: usize = 63;

/// A channel's name: 1 to [`NAME_MAX`] printable characters of ASCII other than the space and `/`; or none at all, which
/// stands for the control group's own channel. Names are ordered, none first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelName {
    /// Padded with zeroes, so that the order of the arrays is that of the names.
    bytes: [u8; NAME_MAX],
}

impl ChannelName {
    /// No name: the control group's own channel.
    pub const NONE: Self = Self { bytes: [0; NAME_MAX] };

    /// The name that a program gave.
    ///
    /// # Errors
    /// `EINVAL`: empty, too long, or with a character that is not allowed.
    pub fn parse(name: &[u8]) -> Result<Self> {
        let is_allowed = |byte: &u8| byte.is_ascii_graphic() && *byte != b'/';
        if name.is_empty() || name.len() > NAME_MAX || !name.iter().all(is_allowed) {
            return Err(Errno::EINVAL);
        }
        let mut bytes = [0; NAME_MAX];
        bytes[..name.len()].copy_from_slice(name);
        Ok(Self { bytes })
    }

    /// Its characters.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        let len = self.bytes.iter().position(|byte| *byte == 0).unwrap_or(NAME_MAX);
        &self.bytes[..len]
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(core::str::from_utf8(self.as_bytes()).unwrap_or_default())
    }
}

impl fmt::Debug for ChannelName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "\"{self}\"")
    }
}

/// Which ring: ordered by control group first, so that all of one group lie together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ChannelKey {
    /// The control group's id: all 64 bits of it.
    pub cgroup: u64,
    /// The channel in it.
    pub name: ChannelName,
}

impl ChannelKey {
    /// The control group's own channel, which is the first of its keys.
    #[must_use]
    pub const fn own(cgroup: u64) -> Self {
        Self { cgroup, name: ChannelName::NONE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;
    use std::vec;

    #[test]
    fn a_name_has_1_to_63_graphic_characters() {
        for good in [&b"a"[..], b"a.b-c_d:e", &[b'x'; 63], b"~!@#"] {
            assert_eq!(ChannelName::parse(good).unwrap().as_bytes(), good);
        }
        for bad in [&b""[..], &[b'x'; 64], b"a/b", b"a b", b"a\n", b"\0", b"a\0", b"\x7f", "é".as_bytes()] {
            assert_eq!(ChannelName::parse(bad), Err(Errno::EINVAL), "{bad:?}");
        }
        assert_eq!(ChannelName::parse(b"log").unwrap().to_string(), "log");
        assert_eq!(ChannelName::NONE.as_bytes(), b"");
    }

    #[test]
    fn the_keys_of_one_group_lie_together_its_own_first() {
        let named = |cgroup, name: &str| ChannelKey { cgroup, name: ChannelName::parse(name.as_bytes()).unwrap() };
        let sorted = vec![ChannelKey::own(1), named(1, "a"), named(1, "ab"), named(1, "b"), ChannelKey::own(2)];
        let mut keys = vec![sorted[4], sorted[2], sorted[0], sorted[3], sorted[1]];
        keys.sort();
        assert_eq!(keys, sorted);
    }

    /// Seed 001, listing 3: an id cut to 32 bits gives two groups one ring.
    #[test]
    fn ids_that_differ_in_the_upper_half_only_are_different() {
        assert_ne!(ChannelKey::own(1), ChannelKey::own(1 << 32 | 1));
    }
}
