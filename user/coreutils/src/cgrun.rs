//! `cgrun`: a program in a control group. Takes no locks; sleeps where mkdir(2) and write(2) do.
//! Specification: cgroups(7); what a failure to run the program means is env(1)'s.

use crate::invocation::{At, Failure, Invocation, Outcome};
use crate::run::{become_program, command_of};
use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Component, Path};

/// Where groups are.
const ROOT: &str = "/sys/fs/cgroup";

/// `cgrun group command…`: makes the group, with those above it, if it is missing; enters it; turns into the command.
pub fn cgrun(invocation: &Invocation) -> Outcome {
    let options = invocation.options("+")?;
    let Some((group, words)) = options.operands.split_first().filter(|(_, words)| !words.is_empty()) else {
        return Err(Failure::usage("usage: cgrun group command [argument...]"));
    };
    let names = names(group)?;
    let (command, program) = command_of(words)?;
    if !Path::new(ROOT).join("cgroup.procs").exists() {
        return Err(Failure::new(format!("{ROOT}: no cgroup2 is mounted there")));
    }
    let mut directory = Path::new(ROOT).to_owned();
    for name in names {
        directory.push(name);
        match fs::create_dir(&directory) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error).at(&directory)?,
            _ => {}
        }
    }
    let procs = directory.join("cgroup.procs");
    let entered = OpenOptions::new().write(true).open(&procs).and_then(|mut file| file.write_all(b"0"));
    entered.at(&procs)?;
    become_program(command, program)
}

/// The groups on the way, from the root. It takes no way up, which could leave the hierarchy.
fn names(group: &OsStr) -> Result<Vec<&OsStr>, Failure> {
    let mut names = Vec::new();
    for component in Path::new(group).components() {
        match component {
            Component::Normal(name) => names.push(name),
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => {
                return Err(Failure::usage(format!("invalid group '{}'", group.display())));
            }
        }
    }
    if group.is_empty() { Err(Failure::usage("invalid group ''")) } else { Ok(names) }
}
