//! What is allowed in the kernel: the one table of import directions, and the rooms of unsafe code.
//!
//! A room is a module at the crate's root. Pure: facts about a file in, complaints out.

use std::path::Path;

use crate::source::Source;

/// From the lowest up. A room may name itself and every room of a lower layer.
const LAYERS: &[&[&str]] = &[
    &["arch"],
    // What the device tree says.
    &["board"],
    &["sync"],
    // For everyone above: the log's lines, names for addresses, the way out, the clocks, random bytes.
    &["console", "symbols", "power", "time", "random"],
    &["mm", "sched"],
    // What trace points tell: who runs, in code that is changed for it.
    &["trace"],
    &["fs", "ipc", "drivers", "process"],
    &["syscall"],
    // The only way up from arch; the boot order, on each CPU; the end of it all; the in-kernel tests.
    &["trap", "main", "smp", "panic", "ktest"],
];

/// What else is allowed: the first path may name the second and what is in it. Each says why.
const EXCEPTIONS: &[(&str, &str)] = &[
    // Exceptions enter the kernel's rules through trap alone.
    ("arch", "trap"),
    // The interrupt controller's registers are shared by all CPUs.
    ("arch::aarch64::gic", "sync"),
    // Whom a lock puts to sleep and wakes: the platform half of postern-sync.
    ("sync", "sched"),
    // Where things are mapped is known to one file; it calls nothing.
    ("board", "mm::layout"),
    ("symbols", "mm::layout"),
    // The console must print before there are devices.
    ("console", "drivers::pl011"),
    // A task that runs a user program carries its thread.
    ("sched::task", "process::Thread"),
    // A page fault may sleep, and a switch changes the address space.
    ("mm", "sched"),
    ("sched", "mm"),
    // Pipes and devices are files; the other way round fs knows them only by its own traits.
    ("ipc", "fs"),
    ("drivers", "fs"),
    // A process has open files and a working directory, and wakes futexes when it ends.
    ("process", "fs"),
    ("process", "ipc"),
    // Permission is a matter of who asks.
    ("fs", "process::Credentials"),
    ("ipc", "process::Credentials"),
    ("drivers", "process::Credentials"),
    // Its openers meet as those of a FIFO do.
    ("drivers::hello", "ipc::rendezvous"),
    ("drivers::hello", "ipc::turns"),
    // Its rings may be as long as the pipes of whoever asks.
    ("drivers::hello::instance", "ipc::pipe::size_limit"),
    ("drivers::hello::file", "process"),
    // A terminal belongs to a session, and signals its groups.
    ("drivers::tty", "process"),
    // A message says who sent it.
    ("ipc::unix_socket::message", "process"),
    // A write that has gone half-way when the last reader goes is told so by SIGPIPE alone.
    ("fs::blocking", "process::signal"),
    // A thread lets go of the files that it has used last before one leaves its table.
    ("fs::files", "process"),
    // How large a file may get is the writing process's limit, and SIGXFSZ tells it.
    ("fs::write_checks", "process"),
    // The first process's start is where boot meets the devices, its console among them.
    ("process::init", "drivers"),
    // These file systems show what the other rooms hold.
    ("fs::procfs", "process"),
    ("fs::procfs", "drivers"),
    ("fs::devfs", "drivers"),
    ("fs::cgroupfs", "process"),
    // A driver may keep something for each control group.
    ("drivers", "process::cgroup"),
];

/// Below `kernel/`: everywhere else the keyword itself is refused.
const UNSAFE_ALLOWED: &[&str] =
    &["src/arch/", "src/mm/", "src/sync/", "src/board/", "src/sched/switch.rs", "src/trace/", "sync/"];

/// `#[unsafe(no_mangle)]` and its like are allowed here too: entry points for assembly, and the linker's sections.
const UNSAFE_ATTRIBUTES_ALLOWED: &[&str] = &["src/main.rs", "src/smp.rs", "src/symbols.rs"];

/// The room of a file below `kernel/`; for the crates beside the kernel their own name.
pub fn room_of(file: &Path) -> String {
    let parts: Vec<String> = file.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
    match parts.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["src", room, ..] => room.to_owned(),
        [first, ..] => format!("postern-{first}"),
        [] => String::new(),
    }
}

/// Every rule that a file breaks, as `file:line: what`.
pub fn broken_by(source: &Source) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut complain = |line: usize, what: &str| complaints.push(format!("{}:{line}: {what}", source.file.display()));
    if !source.opens_with_doc {
        complain(1, "does not open with //!");
    }
    if source.file == Path::new("core/src/lib.rs") && !source.forbids_unsafe {
        complain(1, "lacks #![forbid(unsafe_code)]");
    }
    let file = source.file.to_string_lossy();
    let is_below = |prefixes: &[&str]| prefixes.iter().any(|prefix| file.starts_with(prefix));
    if !is_below(UNSAFE_ALLOWED) {
        let may_have_attributes = is_below(UNSAFE_ATTRIBUTES_ALLOWED);
        for found in source.unsafe_code.iter().filter(|found| !(may_have_attributes && found.is_attribute)) {
            complain(found.line, "unsafe code is not allowed here");
        }
    }
    if source.file.starts_with("src") {
        let module = module_of(&source.file);
        if layer_of(&room_of(&source.file)).is_none() {
            complain(1, "its room has no place in the table of layers (tools/check/src/rules.rs)");
            return complaints;
        }
        for named in &source.names {
            if let Some(what) = broken_direction(&module, &named.path) {
                complain(named.line, &what);
            }
        }
    }
    complaints
}

/// `fs::procfs::pid` for `src/fs/procfs/pid.rs`; `main` for the root.
fn module_of(file: &Path) -> String {
    let path = file.with_extension("");
    let parts: Vec<_> = path.iter().skip(1).map(|part| part.to_string_lossy()).filter(|part| part != "mod").collect();
    parts.join("::")
}

fn broken_direction(module: &str, named: &[String]) -> Option<String> {
    let (from, to) = (module.split("::").next()?, named.first()?);
    let from_layer = layer_of(from)?;
    // Not a room: a macro or an item of the root itself, which only re-exports.
    let to_layer = layer_of(to)?;
    let target = named.join("::");
    let excepted = EXCEPTIONS.iter().any(|(who, whom)| is_within(module, who) && is_within(&target, whom));
    let allowed = from == to || to_layer < from_layer || excepted || from == "main" || from == "ktest";
    (!allowed).then(|| format!("{from} may not name {target}"))
}

fn layer_of(room: &str) -> Option<usize> {
    LAYERS.iter().position(|rooms| rooms.contains(&room))
}

/// `fs::procfs::pid` is within `fs::procfs` and `fs`, but `fs::procfs2` is not.
fn is_within(path: &str, module: &str) -> bool {
    path.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(module: &str, named: &str) -> bool {
        let named: Vec<String> = named.split("::").map(str::to_owned).collect();
        broken_direction(module, &named).is_none()
    }

    #[test]
    fn down_is_allowed_and_up_is_not() {
        for (module, named) in
            [("main", "syscall"), ("syscall::fs", "process::fork"), ("fs::vfs", "mm::user"), ("sync", "arch")]
        {
            assert!(allowed(module, named), "{module} -> {named}");
            assert!(!allowed(named, module), "{named} -> {module}");
        }
    }

    #[test]
    fn arch_names_trap_alone() {
        assert!(allowed("arch::aarch64::exception", "trap::on_irq"));
        for room in ["sync", "mm", "board", "syscall", "main"] {
            assert!(!allowed("arch::aarch64", room), "{room}");
        }
    }

    #[test]
    fn neighbours_need_an_exception() {
        assert!(allowed("ipc::pipe", "fs::file::FileOps"));
        assert!(!allowed("fs::open_file", "ipc::pipe"));
        assert!(!allowed("drivers::null", "process::find"));
        assert!(allowed("fs::procfs::pid", "process::find"));
        assert!(!allowed("fs::procfs2", "process::find"));
    }

    #[test]
    fn items_of_the_root_are_open_to_all() {
        assert!(allowed("fs", "println"));
    }

    #[test]
    fn files_belong_to_rooms() {
        assert_eq!(room_of(Path::new("src/arch/aarch64/mmu.rs")), "arch");
        assert_eq!(room_of(Path::new("src/main.rs")), "main");
        assert_eq!(room_of(Path::new("sync/src/lib.rs")), "postern-sync");
    }
}
