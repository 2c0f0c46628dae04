//! Room on the disk, looked for before something is written: an error that says what is needed, in the place of half a file. The
//! rule is a value; a file that was there stays whole until its successor is. Does not sleep but in the file system.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// Bytes in what people are told.
const MIB: u64 = 1 << 20;
/// More than any campaign has written: figures of both systems, with their histograms.
const FIGURES_BYTES: u64 = 16 * MIB;

/// Whether `needed_bytes` find room in `folder`, where `free_bytes` are.
///
/// # Errors
/// If not; the sentence has both numbers, the first rounded up and the second down.
pub fn judge(needed_bytes: u64, free_bytes: u64, folder: &Path) -> Result<()> {
    let (needed, free) = (needed_bytes.div_ceil(MIB), free_bytes / MIB);
    ensure!(needed_bytes <= free_bytes, "needs {needed} MiB in {}, has {free}", folder.display());
    Ok(())
}

/// Looks for room for the figures of a campaign at `path`: before the hour that they take.
///
/// # Errors
/// If there is none, or no such folder.
pub fn for_figures(path: &Path) -> Result<()> {
    look(path, FIGURES_BYTES)
}

fn look(path: &Path, needed_bytes: u64) -> Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let free = rustix::fs::statvfs(folder).with_context(|| format!("cannot write into {}", folder.display()))?;
    judge(needed_bytes, free.f_bavail.saturating_mul(free.f_frsize), folder)
}

/// Writes `content` to `path`, if there is room for it. What was there is replaced at one go.
///
/// # Errors
/// As [`judge`], and what the file system says.
pub fn write(path: &Path, content: &[u8]) -> Result<()> {
    look(path, content.len() as u64)?;
    let cannot = || format!("cannot write {}", path.display());
    // A device, or a pipe, takes no other file in its place.
    if path.exists() && !path.is_file() {
        return fs::write(path, content).with_context(cannot);
    }
    let place = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mut name = place.clone().into_os_string();
    name.push(".new");
    let successor = PathBuf::from(name);
    let written = fs::write(&successor, content).and_then(|()| fs::rename(&successor, &place));
    if written.is_err() {
        // What is half written is of no use; where it cannot be taken away either, the error below says enough.
        let _ = fs::remove_file(&successor);
    }
    written.with_context(cannot)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{MIB, judge, write};

    #[test]
    fn what_finds_room_is_no_error() {
        for (needed, free) in [(0, 0), (1, 1), (400 * MIB, 400 * MIB), (1, u64::MAX)] {
            assert!(judge(needed, free, Path::new("/here")).is_ok(), "{needed} in {free}");
        }
    }

    #[test]
    fn what_finds_none_is_told_what_it_needs_and_what_there_is() {
        let told = |needed, free| judge(needed, free, Path::new("/here")).unwrap_err().to_string();
        assert_eq!(told(400 * MIB, 399 * MIB), "needs 400 MiB in /here, has 399");
        assert_eq!(told(1, 0), "needs 1 MiB in /here, has 0");
        assert_eq!(told(5 * MIB, 5 * MIB - 1), "needs 5 MiB in /here, has 4");
        assert_eq!(told(5 * MIB + 1, 5 * MIB), "needs 6 MiB in /here, has 5");
    }

    #[test]
    fn a_file_is_replaced_and_nothing_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("figures.jsonl");
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let error = write(&folder.path().join("absent/figures.jsonl"), b"").unwrap_err();
        assert!(error.to_string().starts_with("cannot write into "), "{error}");
    }

    #[test]
    fn a_device_stays_a_device() {
        write(Path::new("/dev/null"), b"nothing").unwrap();
        assert!(!Path::new("/dev/null").is_file());
    }
}
