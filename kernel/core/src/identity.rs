//! How a process may change who it is: the rules of setuid(2) and its kin, the same for users and groups.
//!
//! No locks, never sleeps. Specification: setuid(2), setreuid(2), setresuid(2), setfsuid(2); Linux's kernel/sys.c where they
//! are silent.

use crate::errno::{Errno, Result};

/// The four identities of a thread, either its users or its groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ids {
    /// Who started the program.
    pub real: u32,
    /// For whom it acts.
    pub effective: u32,
    /// For whom it may act again.
    pub saved: u32,
    /// For whom it reaches files.
    pub file_system: u32,
}

/// Whether the caller may become anybody (Linux's CAP_SETUID and CAP_SETGID).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privilege {
    /// It may.
    Any,
    /// It may only change among the identities it has.
    Own,
}

/// The argument that means "leave it as it is", (uid_t)-1.
const UNCHANGED: u32 = u32::MAX;

/// An argument of the calls with several.
fn wanted(id: u32) -> Option<u32> {
    (id != UNCHANGED).then_some(id)
}

impl Ids {
    /// setuid(2), setgid(2).
    ///
    /// # Errors
    /// EINVAL for -1, EPERM.
    pub fn set(self, id: u32, privilege: Privilege) -> Result<Self> {
        let id = wanted(id).ok_or(Errno::EINVAL)?;
        match privilege {
            Privilege::Any => Ok(Self { real: id, effective: id, saved: id, file_system: id }),
            Privilege::Own if id == self.real || id == self.saved => {
                Ok(Self { effective: id, file_system: id, ..self })
            }
            Privilege::Own => Err(Errno::EPERM),
        }
    }

    /// setreuid(2), setregid(2).
    ///
    /// # Errors
    /// EPERM.
    pub fn set_real_and_effective(self, real: u32, effective: u32, privilege: Privilege) -> Result<Self> {
        let (real, effective) = (wanted(real), wanted(effective));
        if privilege == Privilege::Own {
            allowed(real, &[self.real, self.effective])?;
            allowed(effective, &[self.real, self.effective, self.saved])?;
        }
        let mut new = Self { real: real.unwrap_or(self.real), effective: effective.unwrap_or(self.effective), ..self };
        // Whoever takes a new real identity, or acts for another than the old real one, cannot come back by the saved one.
        if real.is_some() || effective.is_some_and(|effective| effective != self.real) {
            new.saved = new.effective;
        }
        new.file_system = new.effective;
        Ok(new)
    }

    /// setresuid(2), setresgid(2).
    ///
    /// # Errors
    /// EPERM.
    pub fn set_all(self, real: u32, effective: u32, saved: u32, privilege: Privilege) -> Result<Self> {
        let ids = [wanted(real), wanted(effective), wanted(saved)];
        if privilege == Privilege::Own {
            for id in ids {
                allowed(id, &[self.real, self.effective, self.saved])?;
            }
        }
        let effective = ids[1].unwrap_or(self.effective);
        Ok(Self {
            real: ids[0].unwrap_or(self.real),
            effective,
            saved: ids[2].unwrap_or(self.saved),
            file_system: effective,
        })
    }

    /// setfsuid(2), setfsgid(2): what cannot be done is left undone, silently.
    #[must_use]
    pub fn set_file_system(self, id: u32, privilege: Privilege) -> Self {
        let own = [self.real, self.effective, self.saved, self.file_system];
        let may = privilege == Privilege::Any || own.contains(&id);
        if may && id != UNCHANGED { Self { file_system: id, ..self } } else { self }
    }
}

/// EPERM unless `id` is left as it is or one of `own`.
fn allowed(id: Option<u32>, own: &[u32]) -> Result<()> {
    match id {
        Some(id) if !own.contains(&id) => Err(Errno::EPERM),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEP: u32 = u32::MAX;

    fn ids(real: u32, effective: u32, saved: u32) -> Ids {
        Ids { real, effective, saved, file_system: effective }
    }

    #[test]
    fn root_becomes_somebody_for_good() {
        assert_eq!(ids(0, 0, 0).set(7, Privilege::Any), Ok(ids(7, 7, 7)));
        assert_eq!(ids(7, 7, 7).set(0, Privilege::Own), Err(Errno::EPERM));
        assert_eq!(ids(0, 0, 0).set(KEEP, Privilege::Any), Err(Errno::EINVAL));
    }

    #[test]
    fn a_set_user_program_goes_to_and_fro() {
        let program = ids(7, 9, 9);
        let dropped = program.set(7, Privilege::Own).unwrap();
        assert_eq!(dropped, ids(7, 7, 9));
        assert_eq!(dropped.set(9, Privilege::Own), Ok(program));
        assert_eq!(program.set_real_and_effective(9, 7, Privilege::Own), Ok(ids(9, 7, 7)));
    }

    #[test]
    fn setreuid_saves_what_it_must() {
        // Only the effective one, and to the old real one: the way back stays open.
        assert_eq!(ids(7, 9, 9).set_real_and_effective(KEEP, 7, Privilege::Own), Ok(ids(7, 7, 9)));
        assert_eq!(ids(0, 0, 0).set_real_and_effective(KEEP, 7, Privilege::Any), Ok(ids(0, 7, 7)));
        assert_eq!(ids(7, 9, 9).set_real_and_effective(KEEP, KEEP, Privilege::Own), Ok(ids(7, 9, 9)));
        // The saved one may become the effective one but not the real one.
        assert_eq!(ids(7, 8, 9).set_real_and_effective(9, KEEP, Privilege::Own), Err(Errno::EPERM));
        assert_eq!(ids(7, 8, 9).set_real_and_effective(KEEP, 9, Privilege::Own), Ok(ids(7, 9, 9)));
    }

    #[test]
    fn setresuid_permutes() {
        assert_eq!(ids(7, 8, 9).set_all(9, 7, 8, Privilege::Own), Ok(ids(9, 7, 8)));
        assert_eq!(ids(7, 8, 9).set_all(KEEP, KEEP, 1, Privilege::Own), Err(Errno::EPERM));
        assert_eq!(ids(7, 8, 9).set_all(1, 2, 3, Privilege::Any), Ok(ids(1, 2, 3)));
    }

    #[test]
    fn setfsuid_fails_silently() {
        assert_eq!(ids(7, 8, 9).set_file_system(1, Privilege::Own), ids(7, 8, 9));
        assert_eq!(ids(7, 8, 9).set_file_system(9, Privilege::Own).file_system, 9);
        assert_eq!(ids(0, 0, 0).set_file_system(KEEP, Privilege::Any), ids(0, 0, 0));
    }
}
