//! Users and groups: names for numbers, `id`, `chown`.

use crate::invocation::{At, Failure, Invocation, Outcome, finish, output};
use nix::unistd::{Gid, Group, Uid, User, getegid, geteuid, getgid, getgrouplist, getgroups, getuid};
use std::ffi::CString;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{chown as change_owner, lchown};
use std::path::Path;

/// The name of a user; the number if the user database does not know it.
pub fn user_name(number: u32) -> String {
    let entry = User::from_uid(Uid::from_raw(number)).ok().flatten();
    entry.map_or_else(
        || {
            if number == 0 { "root".to_owned() } else { number.to_string() }
        },
        |user| user.name,
    )
}

/// The name of a group; the number if the group database does not know it.
pub fn group_name(number: u32) -> String {
    let entry = Group::from_gid(Gid::from_raw(number)).ok().flatten();
    entry.map_or_else(
        || {
            if number == 0 { "root".to_owned() } else { number.to_string() }
        },
        |group| group.name,
    )
}

/// `id [-ugGnr] [user]`
pub fn id(invocation: &Invocation) -> Outcome {
    let options = invocation.options("ugGnr")?;
    let (uid, gid, others) = match options.operands.as_slice() {
        [] if options.has('r') => (getuid(), getgid(), getgroups()),
        [] => (geteuid(), getegid(), getgroups()),
        [name] => {
            let user = name.to_str().and_then(|name| User::from_name(name).ok().flatten());
            let user = user.ok_or_else(|| Failure::new(format!("{}: no such user", name.display())))?;
            let name = CString::new(user.name).unwrap_or_default();
            (user.uid, user.gid, getgrouplist(&name, user.gid))
        }
        _ => return Err(Failure::usage("usage: id [-u|-g|-G] [-nr] [user]")),
    };
    let mut groups = vec![gid.as_raw()];
    // A kernel without supplementary groups leaves the primary one.
    for group in others.unwrap_or_default() {
        if !groups.contains(&group.as_raw()) {
            groups.push(group.as_raw());
        }
    }
    let named = options.has('n');
    let user = |number: u32| {
        if named { user_name(number) } else { number.to_string() }
    };
    let group = |number: u32| {
        if named { group_name(number) } else { number.to_string() }
    };
    let mut output = output()?;
    match options.last_of("ugG") {
        Some('u') => writeln!(output, "{}", user(uid.as_raw()))?,
        Some('g') => writeln!(output, "{}", group(gid.as_raw()))?,
        Some(_) => writeln!(output, "{}", groups.iter().map(|number| group(*number)).collect::<Vec<_>>().join(" "))?,
        None => {
            let list: Vec<_> = groups.iter().map(|number| format!("{number}({})", group_name(*number))).collect();
            writeln!(
                output,
                "uid={uid}({}) gid={gid}({}) groups={}",
                user_name(uid.as_raw()),
                group_name(gid.as_raw()),
                list.join(",")
            )?;
        }
    }
    finish(invocation, output)
}

/// `chown [-Rh] user[:group] file…`
pub fn chown(invocation: &Invocation) -> Outcome {
    let options = invocation.options("Rh")?;
    let [owner, files @ ..] = options.required()? else {
        return Err(Failure::usage("usage: chown user[:group] file..."));
    };
    if files.is_empty() {
        return Err(Failure::usage("usage: chown user[:group] file..."));
    }
    let owner = owner.to_str().ok_or_else(|| Failure::usage("invalid user"))?;
    let (user, group) = owner.split_once(':').map_or((owner, ""), |(user, group)| (user, group));
    let uid = number_or(user, |name| User::from_name(name).ok().flatten().map(|user| user.uid.as_raw()))?;
    let gid = number_or(group, |name| Group::from_name(name).ok().flatten().map(|group| group.gid.as_raw()))?;
    for path in files {
        each(Path::new(path), options.has('R'), &mut |path| {
            let change = if options.has('h') || path.is_symlink() && options.has('R') {
                lchown(path, uid, gid)
            } else {
                change_owner(path, uid, gid)
            };
            if let Err(error) = change {
                invocation.report(path, error);
            }
        });
    }
    Ok(invocation.status())
}

/// A number, a name, or nothing (which changes nothing).
fn number_or(text: &str, look_up: impl FnOnce(&str) -> Option<u32>) -> Result<Option<u32>, Failure> {
    if text.is_empty() {
        return Ok(None);
    }
    let preset = (text == "root").then_some(0);
    let number = text.parse().ok().or_else(|| look_up(text)).or(preset);
    number.map(Some).ok_or_else(|| Failure::new(format!("invalid user or group: '{text}'")))
}

/// Calls `visit` for a path and, if `recursive`, all below it.
pub fn each(path: &Path, recursive: bool, visit: &mut dyn FnMut(&Path)) {
    visit(path);
    if recursive && !path.is_symlink() {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            each(&entry.path(), true, visit);
        }
    }
}

/// `hostname [name]`
pub fn hostname(invocation: &Invocation) -> Outcome {
    let options = invocation.options("s")?;
    if let [name] = options.operands.as_slice() {
        nix::unistd::sethostname(name).at(name)?;
        return Ok(0);
    }
    let name = nix::unistd::gethostname().at("gethostname")?;
    let mut output = output()?;
    writeln!(output, "{}", name.display())?;
    finish(invocation, output)
}
