//! `insmod`, `rmmod`, `lsmod`, `modinfo`, `modprobe`: the modules of the kernel.
//!
//! Images lie in /lib/modules/RELEASE/NAME.ko. The kernel says in its log why it refuses a module; `insmod` and `modprobe` say
//! it too. Specification: the man pages of kmod.

use crate::invocation::{At, Failure, Invocation, Outcome, finish, output, reason};
use crate::machine::kernel_log_text;
use nix::errno::Errno;
use nix::kmod::{DeleteModuleFlags, ModuleInitFlags, delete_module, finit_module};
use std::ffi::{CString, OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// `insmod module|file [parameter=value...]`
pub fn insmod(invocation: &Invocation) -> Outcome {
    let options = invocation.options("")?;
    let [module, parameters @ ..] = options.required()? else { return Ok(2) };
    let path = image_path(module)?;
    load(&path, &joined(parameters)?).map_err(|error| refusal(module, &name_of(&path), error))?;
    Ok(0)
}

/// `rmmod module...`
pub fn rmmod(invocation: &Invocation) -> Outcome {
    let options = invocation.options("")?;
    for module in options.required()? {
        if let Err(error) = unload(module) {
            invocation.report(module, error);
        }
    }
    Ok(invocation.status())
}

/// `modprobe [-r] module [parameter=value...]`: as insmod, with the boot line's parameters before those given; a module that is
/// loaded already is no error. With `-r` modules are taken out, and one that is not loaded is no error.
pub fn modprobe(invocation: &Invocation) -> Outcome {
    let options = invocation.options("r")?;
    if options.has('r') {
        for module in options.required()? {
            match unload(module) {
                Ok(()) | Err(Errno::ENOENT) => {}
                Err(error) => invocation.report(module, error),
            }
        }
        return Ok(invocation.status());
    }
    let [module, parameters @ ..] = options.required()? else { return Ok(2) };
    let path = image_path(module)?;
    let name = name_of(&path);
    let line = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    let text = [boot_parameters(&line, &name), joined(parameters)?].join(" ");
    match load(&path, &text) {
        Ok(()) | Err(Errno::EEXIST) => Ok(0),
        Err(error) => Err(refusal(module, &name, error)),
    }
}

/// `lsmod`
pub fn lsmod(invocation: &Invocation) -> Outcome {
    invocation.options("")?;
    let text = fs::read_to_string("/proc/modules").at("/proc/modules")?;
    let mut output = output()?;
    writeln!(output, "{:<19} {:>7}  Used by", "Module", "Size")?;
    for line in text.lines() {
        let mut words = line.split(' ');
        let mut word = || words.next().unwrap_or("-");
        let (name, size, users, by) = (word(), word(), word(), word());
        let by = if by == "-" { "" } else { by.trim_end_matches(',') };
        writeln!(output, "{}", format!("{name:<19} {size:>7}  {users} {by}").trim_end())?;
    }
    finish(invocation, output)
}

/// `modinfo module|file...`: what the image says, and the parameters' present values if the module is loaded.
pub fn modinfo(invocation: &Invocation) -> Outcome {
    let options = invocation.options("")?;
    let mut output = output()?;
    for module in options.required()? {
        let path = image_path(module)?;
        let image = match fs::read(&path) {
            Ok(image) => image,
            Err(error) => {
                invocation.report(module, error);
                continue;
            }
        };
        writeln!(output, "{:<16}{}", "filename:", path.display())?;
        // Text lines here; on Linux the lines end in NUL, somewhere in an ELF file, which this does not read.
        for line in String::from_utf8_lossy(&image).lines().skip(1) {
            if let Some((key, value)) = line.split_once('=') {
                writeln!(output, "{:<16}{value}", format!("{key}:"))?;
            }
        }
        for (parameter, value) in present_values(&name_of(&path)) {
            writeln!(output, "{:<16}{parameter}={value}", "value:")?;
        }
    }
    finish(invocation, output)
}

/// The file of a module that is given by its path or its name.
fn image_path(module: &OsStr) -> Result<PathBuf, Failure> {
    let given = Path::new(module);
    if module.as_encoded_bytes().contains(&b'/') || given.extension() == Some(OsStr::new("ko")) {
        return Ok(given.to_owned());
    }
    let names = nix::sys::utsname::uname().at("uname")?;
    let mut file = module.to_owned();
    file.push(".ko");
    Ok(Path::new("/lib/modules").join(names.release()).join(file))
}

/// The name of the module in a file.
fn name_of(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().replace('-', "_")).unwrap_or_default()
}

fn joined(parameters: &[OsString]) -> Result<String, Failure> {
    let quoted = |word: &OsString| {
        let word = word.to_str().ok_or_else(|| Failure::new(format!("{}: not text", word.display())))?;
        // The kernel divides at blanks that are not between double quotes.
        Ok(if word.contains(' ') { format!("\"{word}\"") } else { word.to_owned() })
    };
    Ok(parameters.iter().map(quoted).collect::<Result<Vec<_>, Failure>>()?.join(" "))
}

/// What the boot line says of a module: `module.parameter=value`.
fn boot_parameters(line: &str, module: &str) -> String {
    let words = line.split_whitespace().take_while(|word| *word != "--");
    let own = words.filter_map(|word| word.split_once('.').filter(|(owner, _)| owner.replace('-', "_") == module));
    own.map(|(_, parameter)| parameter).collect::<Vec<_>>().join(" ")
}

fn load(path: &Path, parameters: &str) -> Result<(), Errno> {
    let file = File::open(path).map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))?;
    let parameters = CString::new(parameters).map_err(|_| Errno::EINVAL)?;
    finit_module(file, &parameters, ModuleInitFlags::empty())
}

fn unload(module: &OsStr) -> Result<(), Errno> {
    let name = CString::new(module.as_encoded_bytes()).map_err(|_| Errno::EINVAL)?;
    delete_module(&name, DeleteModuleFlags::empty())
}

/// The message of a load that failed: the kernel's own sentence, if there is one for this attempt.
fn refusal(module: &OsStr, name: &str, error: Errno) -> Failure {
    let own = match error {
        // The error says it all, and comes before the kernel has looked at the module.
        Errno::EPERM | Errno::ENOSYS | Errno::EEXIST => None,
        _ => kernel_log_text().ok().and_then(|log| last_sentence(&log, name)),
    };
    match own {
        Some(sentence) => Failure::new(format!("{name}: {sentence}")),
        None => Failure::new(format!("{}: {}", module.display(), reason(&io::Error::from(error)))),
    }
}

/// What the newest line of the log says if it is about the module.
fn last_sentence(log: &str, name: &str) -> Option<String> {
    let (_, text) = log.lines().next_back()?.split_once("] ")?;
    text.strip_prefix(name)?.strip_prefix(": ").map(str::to_owned)
}

/// The values in /sys/module of a module that is loaded, by name.
fn present_values(module: &str) -> Vec<(String, String)> {
    let Ok(entries) = fs::read_dir(format!("/sys/module/{module}/parameters")) else { return Vec::new() };
    let value = |entry: fs::DirEntry| {
        let text = fs::read_to_string(entry.path()).ok()?;
        Some((entry.file_name().to_string_lossy().into_owned(), text.trim_end().to_owned()))
    };
    let mut values: Vec<_> = entries.filter_map(Result::ok).filter_map(value).collect();
    values.sort();
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_for_the_image_of_this_release_and_a_path_for_itself() {
        let path = |module: &str| image_path(OsStr::new(module)).map_err(|failure| failure.message);
        let release = nix::sys::utsname::uname().map(|names| names.release().to_string_lossy().into_owned());
        let expected = format!("/lib/modules/{}/hello.ko", release.unwrap_or_default());
        assert_eq!(path("hello"), Ok(PathBuf::from(expected)));
        assert_eq!(path("./hello"), Ok(PathBuf::from("./hello")));
        assert_eq!(path("hello.ko"), Ok(PathBuf::from("hello.ko")));
        assert_eq!(name_of(Path::new("/x/my-ring.ko")), "my_ring");
    }

    #[test]
    fn the_boot_line_s_words_for_a_module_lose_its_name() {
        let line = "quiet hello.slots=32 my-ring.size=1 other.slots=4 hello.merge -- hello.slots=1";
        assert_eq!(boot_parameters(line, "hello"), "slots=32 merge");
        assert_eq!(boot_parameters(line, "my_ring"), "size=1");
        assert_eq!(boot_parameters(line, "none"), "");
    }

    #[test]
    fn the_newest_line_is_told_if_it_is_the_module_s() {
        let log = "[    1.0] hello_driver_init: major 247\n[    2.0] hello: parameter slots=33: must be even\n";
        assert_eq!(last_sentence(log, "hello").as_deref(), Some("parameter slots=33: must be even"));
        assert_eq!(last_sentence(log, "hell"), None);
        assert_eq!(last_sentence("", "hello"), None);
    }
}
