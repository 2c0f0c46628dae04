//! The command line's words for initramfs entries: `GUESTPATH=…[:MODE]`.
//!
//! Pure parsing: nothing here looks at the host's files.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, Result, bail, ensure};

/// `GUESTPATH=HOSTPATH[:MODE]`
#[derive(Clone, Debug, PartialEq)]
pub struct FileRule {
    pub guest_path: String,
    pub host_path: PathBuf,
    pub mode: Option<u32>,
}

/// `GUESTPATH=TARGET`
#[derive(Clone, Debug, PartialEq)]
pub struct SymlinkRule {
    pub guest_path: String,
    pub target: String,
}

/// `GUESTPATH[:MODE]`
#[derive(Clone, Debug, PartialEq)]
pub struct DirectoryRule {
    pub guest_path: String,
    pub mode: Option<u32>,
}

/// `GUESTPATH=c:MAJOR:MINOR[:MODE]`
#[derive(Clone, Debug, PartialEq)]
pub struct NodeRule {
    pub guest_path: String,
    pub major: u32,
    pub minor: u32,
    pub mode: u32,
}

impl FromStr for FileRule {
    type Err = anyhow::Error;

    fn from_str(word: &str) -> Result<Self> {
        let (guest_path, rest) = split(word)?;
        let (host_path, mode) = split_mode(rest)?;
        ensure!(!host_path.is_empty(), "no host path in '{word}'");
        Ok(Self { guest_path, host_path: host_path.into(), mode })
    }
}

impl FromStr for SymlinkRule {
    type Err = anyhow::Error;

    fn from_str(word: &str) -> Result<Self> {
        let (guest_path, target) = split(word)?;
        ensure!(!target.is_empty(), "no target in '{word}'");
        Ok(Self { guest_path, target: target.to_owned() })
    }
}

impl FromStr for DirectoryRule {
    type Err = anyhow::Error;

    fn from_str(word: &str) -> Result<Self> {
        let (path, mode) = split_mode(word)?;
        Ok(Self { guest_path: guest_path(path)?, mode })
    }
}

impl FromStr for NodeRule {
    type Err = anyhow::Error;

    fn from_str(word: &str) -> Result<Self> {
        let (guest_path, rest) = split(word)?;
        let fields: Vec<&str> = rest.split(':').collect();
        let (major, minor, mode) = match fields[..] {
            ["c", major, minor] => (major, minor, "600"),
            ["c", major, minor, mode] => (major, minor, mode),
            _ => bail!("'{rest}' is not c:MAJOR:MINOR[:MODE]"),
        };
        Ok(Self {
            guest_path,
            major: major.parse().context("MAJOR is no number")?,
            minor: minor.parse().context("MINOR is no number")?,
            mode: parse_mode(mode).with_context(|| format!("'{mode}' is no octal mode"))?,
        })
    }
}

fn split(word: &str) -> Result<(String, &str)> {
    let (path, rest) = word.split_once('=').with_context(|| format!("no '=' in '{word}'"))?;
    Ok((guest_path(path)?, rest))
}

/// An absolute path of named components, without its leading slash.
fn guest_path(path: &str) -> Result<String> {
    let Some(relative) = path.strip_prefix('/') else { bail!("'{path}' does not start with a slash") };
    let named = |component: &str| !matches!(component, "" | "." | "..");
    ensure!(relative.split('/').all(named), "'{path}' is no plain path");
    Ok(relative.to_owned())
}

/// Splits a trailing `:MODE` off; what follows the last colon is a mode if it can be one.
fn split_mode(word: &str) -> Result<(&str, Option<u32>)> {
    Ok(match word.rsplit_once(':') {
        Some((path, mode)) => match parse_mode(mode) {
            Some(mode) => (path, Some(mode)),
            None => bail!("'{mode}' is no octal mode"),
        },
        None => (word, None),
    })
}

fn parse_mode(word: &str) -> Option<u32> {
    u32::from_str_radix(word, 8).ok().filter(|mode| *mode <= 0o7777 && !word.starts_with('+'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_may_carry_a_mode() {
        let plain: FileRule = "/bin/sh=target/sh".parse().unwrap();
        assert_eq!(plain, FileRule { guest_path: "bin/sh".into(), host_path: "target/sh".into(), mode: None });
        let with_mode: FileRule = "/etc/shadow=shadow:600".parse().unwrap();
        assert_eq!(with_mode.mode, Some(0o600));
    }

    #[test]
    fn a_node_is_c_major_minor() {
        let node: NodeRule = "/dev/console=c:5:1".parse().unwrap();
        assert_eq!(node, NodeRule { guest_path: "dev/console".into(), major: 5, minor: 1, mode: 0o600 });
        assert_eq!("/dev/null=c:1:3:0666".parse::<NodeRule>().unwrap().mode, 0o666);
    }

    #[test]
    fn paths_that_could_escape_or_coincide_are_refused() {
        for path in ["bin", "/", "/a//b", "/a/", "/a/../b", "/./a", ""] {
            assert!(path.parse::<DirectoryRule>().is_err(), "{path}");
        }
    }

    #[test]
    fn damaged_words_are_refused() {
        for word in ["/a", "/a=", "/a=b:9", "/a=b:77777", "/a=b:+7"] {
            assert!(word.parse::<FileRule>().is_err(), "{word}");
        }
        for word in ["/a=b:1:2", "/a=c:1", "/a=c:x:2", "/a=c:1:-2", "/a=c:1:2:8", "/a=c:1:2:3:4"] {
            assert!(word.parse::<NodeRule>().is_err(), "{word}");
        }
        assert!("/a=".parse::<SymlinkRule>().is_err());
    }
}
