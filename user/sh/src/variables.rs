//! Shell variables: values, export and read-only marks, and the environment made of them.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::os::unix::ffi::OsStringExt;

/// One variable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variable {
    /// `None`: marked, but not set.
    pub value: Option<Vec<u8>>,
    /// Whether programs see it.
    pub exported: bool,
    /// Whether it refuses to change.
    pub read_only: bool,
}

/// All variables of a shell.
#[derive(Clone, Debug, Default)]
pub struct Variables {
    table: BTreeMap<Vec<u8>, Variable>,
}

impl Variables {
    /// The variables that come from the environment, all exported. Names that no script could
    /// write are kept too: programs may want them.
    pub fn from_environment() -> Self {
        let mut variables = Self::default();
        for (name, value) in std::env::vars_os() {
            let variable = Variable { value: Some(value.into_vec()), exported: true, read_only: false };
            variables.table.insert(name.into_vec(), variable);
        }
        variables
    }

    /// The value, if set.
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.table.get(name)?.value.as_deref()
    }

    /// Sets a value and keeps the marks.
    ///
    /// # Errors
    /// A message if the variable is read-only.
    pub fn set(&mut self, name: &[u8], value: &[u8]) -> Result<(), String> {
        let variable = self.changeable(name)?;
        variable.value = Some(value.to_vec());
        Ok(())
    }

    /// Removes a variable.
    ///
    /// # Errors
    /// A message if it is read-only.
    pub fn unset(&mut self, name: &[u8]) -> Result<(), String> {
        self.changeable(name)?;
        self.table.remove(name);
        Ok(())
    }

    fn changeable(&mut self, name: &[u8]) -> Result<&mut Variable, String> {
        let variable = self.table.entry(name.to_vec()).or_default();
        if variable.read_only {
            return Err(format!("{}: is read only", String::from_utf8_lossy(name)));
        }
        Ok(variable)
    }

    /// Marks a variable for export.
    pub fn export(&mut self, name: &[u8]) {
        self.table.entry(name.to_vec()).or_default().exported = true;
    }

    /// Makes a variable read-only.
    pub fn protect(&mut self, name: &[u8]) {
        self.table.entry(name.to_vec()).or_default().read_only = true;
    }

    /// A copy of one variable, to be put back later.
    pub fn save(&self, name: &[u8]) -> Option<Variable> {
        self.table.get(name).cloned()
    }

    /// Puts back what [`save`](Self::save) returned.
    pub fn restore(&mut self, name: &[u8], saved: Option<Variable>) {
        match saved {
            Some(variable) => self.table.insert(name.to_vec(), variable),
            None => self.table.remove(name),
        };
    }

    /// All variables by name.
    pub fn iter(&self) -> impl Iterator<Item = (&Vec<u8>, &Variable)> {
        self.table.iter()
    }

    /// The exported variables as `name=value`. A value with a NUL byte cannot exist in it.
    pub fn environment(&self) -> Vec<CString> {
        let exported = self.table.iter().filter(|(_, variable)| variable.exported);
        let pairs = exported.filter_map(|(name, variable)| {
            let value = variable.value.as_ref()?;
            CString::new([name.as_slice(), b"=", value].concat()).ok()
        });
        pairs.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_only_variable_keeps_its_value() {
        let mut variables = Variables::default();
        assert_eq!(variables.set(b"x", b"1"), Ok(()));
        variables.protect(b"x");
        assert!(variables.set(b"x", b"2").is_err());
        assert!(variables.unset(b"x").is_err());
        assert_eq!(variables.get(b"x"), Some(b"1".as_slice()));
    }

    #[test]
    fn only_exported_and_set_variables_reach_the_environment() {
        let mut variables = Variables::default();
        assert_eq!(variables.set(b"a", b"1"), Ok(()));
        assert_eq!(variables.set(b"b", b"2"), Ok(()));
        variables.export(b"b");
        variables.export(b"c");
        let environment: Vec<_> = variables.environment().into_iter().map(CString::into_bytes).collect();
        assert_eq!(environment, [b"b=2".to_vec()]);
    }
}
