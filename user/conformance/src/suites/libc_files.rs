//! Files and names as the C library makes and finds them, each out of several calls. Specification: tmpfile(3), mkstemp(3),
//! mkdtemp(3), glob(3), nftw(3), realpath(3), getcwd(3).

use crate::check::{Failure, Outcome, expect, expect_eq, expect_errno, failed};
use crate::sys::{Sys, checked, fd, last_error, path, zeroed};
use std::ffi::{CStr, CString, c_char, c_int};
use std::sync::Mutex;

crate::tests! {
    tmpfile_has_no_name_and_holds_what_is_written,
    mkstemp_makes_a_new_file_for_its_owner_alone,
    mkdtemp_makes_a_new_directory_for_its_owner_alone,
    glob_finds_names_in_order,
    nftw_visits_directories_before_or_after_what_they_hold,
    nftw_does_not_follow_links_when_asked_not_to,
    realpath_resolves_links_and_dots,
    realpath_of_a_missing_name_gives_enoent_and_of_a_loop_eloop,
    getcwd_allocates_what_a_deep_directory_needs,
}

/// The string that libc left in `pointer`.
fn text(pointer: *const c_char) -> String {
    // SAFETY: the callers pass C strings that stay until this returns.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}

fn tmpfile_has_no_name_and_holds_what_is_written() -> Outcome {
    // SAFETY: takes nothing.
    let stream = unsafe { libc::tmpfile() };
    expect(!stream.is_null(), "there is a temporary file")?;
    // SAFETY: an open stream.
    let file = unsafe { libc::fileno(stream) };
    expect_eq(path::fstat(file)?.st_nlink, 0, "its names")?;
    // SAFETY: a C string and an open stream.
    checked("fputs", unsafe { libc::fputs(c"kept".as_ptr(), stream) })?;
    // SAFETY: an open stream.
    unsafe { libc::rewind(stream) };
    let mut bytes = [0_u8; 8];
    // SAFETY: room for the bytes, and an open stream.
    let count = unsafe { libc::fread(bytes.as_mut_ptr().cast(), 1, bytes.len(), stream) };
    expect_eq(&bytes[..count], b"kept", "what is read")?;
    // SAFETY: an open stream, which is not used any more.
    checked("fclose", unsafe { libc::fclose(stream) })?;
    expect_errno(path::fstat(file), libc::EBADF)
}

fn mkstemp_makes_a_new_file_for_its_owner_alone() -> Outcome {
    crate::scratch::enter()?;
    let mut names = Vec::new();
    for _ in 0..20 {
        let mut name = *b"name-XXXXXX\0";
        // SAFETY: a C string that is changed in place.
        let file = checked("mkstemp", unsafe { libc::mkstemp(name.as_mut_ptr().cast()) })?;
        expect_eq(path::fstat(file)?.st_mode & 0o777, 0o600, "its mode")?;
        fd::write(file, b"x")?;
        names.push(text(name.as_ptr().cast()));
    }
    names.sort_unstable();
    names.dedup();
    expect_eq(names.len(), 20, "different names")?;
    expect_eq(std::fs::read_dir(".")?.count(), 20, "files")
}

fn mkdtemp_makes_a_new_directory_for_its_owner_alone() -> Outcome {
    crate::scratch::enter()?;
    let mut name = *b"dir-XXXXXX\0";
    // SAFETY: a C string that is changed in place.
    let made = unsafe { libc::mkdtemp(name.as_mut_ptr().cast()) };
    expect(!made.is_null(), "there is a directory")?;
    expect_eq(path::stat(&text(made))?.st_mode & 0o7777, 0o700, "its mode")
}

/// A tree to look at: `a/{one,two}`, `b/three`, and a link to `a` in `b`.
fn make_tree() -> Outcome {
    crate::scratch::enter()?;
    std::fs::create_dir("a")?;
    std::fs::create_dir("b")?;
    for name in ["a/two", "a/one", "b/three"] {
        std::fs::write(name, name)?;
    }
    Ok(path::symlink("../a", "b/link")?)
}

fn glob(pattern: &CStr, flags: c_int) -> Result<Vec<String>, c_int> {
    let mut found: libc::glob_t = zeroed();
    // SAFETY: a C string, no handler of errors, and room for the result.
    let value = unsafe { libc::glob(pattern.as_ptr(), flags, None, &raw mut found) };
    if value != 0 {
        return Err(value);
    }
    let names = (0..found.gl_pathc).map(|index| {
        // SAFETY: glob made an array of as many strings.
        let place = unsafe { found.gl_pathv.add(index) };
        // SAFETY: as above.
        text(unsafe { *place })
    });
    let names = names.collect();
    // SAFETY: what glob filled, once.
    unsafe { libc::globfree(&raw mut found) };
    Ok(names)
}

fn glob_finds_names_in_order() -> Outcome {
    make_tree()?;
    expect_eq(glob(c"*/t*", 0), Ok(vec!["a/two".to_string(), "b/three".to_string()]), "what matches */t*")?;
    expect_eq(glob(c"a/[!t]*", 0), Ok(vec!["a/one".to_string()]), "what matches a/[!t]*")?;
    expect_eq(glob(c"b/l*", libc::GLOB_MARK), Ok(vec!["b/link/".to_string()]), "a directory is marked")?;
    expect_eq(glob(c"c*", 0), Err(libc::GLOB_NOMATCH), "what matches c*")
}

/// What nftw told, in order: kind and path.
static VISITED: Mutex<Vec<String>> = Mutex::new(Vec::new());

unsafe extern "C" {
    fn nftw(path: *const c_char, visit: Visit, descriptors: c_int, flags: c_int) -> c_int;
}

type Visit = extern "C" fn(*const c_char, *const libc::stat, c_int, *mut [c_int; 2]) -> c_int;

const FTW_PHYS: c_int = 1;
const FTW_DEPTH: c_int = 8;

extern "C" fn visit(path: *const c_char, _status: *const libc::stat, kind: c_int, _place: *mut [c_int; 2]) -> c_int {
    // FTW_F, FTW_D, FTW_DNR, FTW_NS, FTW_SL, FTW_DP, FTW_SLN: glibc counts them from 0, musl from 1.
    const LETTERS: &[u8] = b"fd--lpn";
    let first = if cfg!(target_env = "gnu") { 0 } else { 1 };
    let index = usize::try_from(kind - first).unwrap_or(2);
    let letter = char::from(*LETTERS.get(index).unwrap_or(&b'-'));
    VISITED.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(format!("{letter} {}", text(path)));
    0
}

/// What a walk of the tree tells.
fn walk(flags: c_int) -> Result<Vec<String>, Failure> {
    VISITED.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clear();
    // SAFETY: a C string, and a function of the type that nftw calls.
    checked("nftw", unsafe { nftw(c".".as_ptr(), visit, 8, flags) })?;
    Ok(VISITED.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone())
}

fn place(of: &[String], what: &str) -> Result<usize, Failure> {
    of.iter().position(|entry| entry == what).ok_or_else(|| failed(format!("{what} is not among {of:?}")))
}

fn nftw_visits_directories_before_or_after_what_they_hold() -> Outcome {
    make_tree()?;
    let before = walk(FTW_PHYS)?;
    expect(place(&before, "d ./a")? < place(&before, "f ./a/one")?, "a directory comes first")?;
    let after = walk(FTW_PHYS | FTW_DEPTH)?;
    expect(place(&after, "p ./a")? > place(&after, "f ./a/one")?, "with FTW_DEPTH it comes last")?;
    expect_eq(after.last().map(String::as_str), Some("p ."), "the last visit")
}

fn nftw_does_not_follow_links_when_asked_not_to() -> Outcome {
    make_tree()?;
    let physical = walk(FTW_PHYS)?;
    place(&physical, "l ./b/link")?;
    expect_eq(physical.len(), 7, "visits of directories, files and the link")
}

fn realpath(name: &str) -> Sys<String> {
    let name = CString::new(name).unwrap_or_default();
    // SAFETY: a C string; null asks for memory.
    let resolved = unsafe { libc::realpath(name.as_ptr(), std::ptr::null_mut()) };
    if resolved.is_null() {
        return Err(last_error("realpath"));
    }
    let answer = text(resolved);
    // SAFETY: realpath's memory, once.
    unsafe { libc::free(resolved.cast()) };
    Ok(answer)
}

fn realpath_resolves_links_and_dots() -> Outcome {
    make_tree()?;
    let here = path::getcwd(4096)?;
    expect_eq(realpath("b/link/../b/./link/one")?, format!("{here}/a/one"), "the file's path")?;
    expect_eq(realpath(".")?, here, "the directory's path")?;
    expect_eq(realpath("///")?.as_str(), "/", "the root's path")
}

fn realpath_of_a_missing_name_gives_enoent_and_of_a_loop_eloop() -> Outcome {
    make_tree()?;
    expect_errno(realpath("a/three"), libc::ENOENT)?;
    expect_errno(realpath("a/one/two"), libc::ENOTDIR)?;
    path::symlink("loop", "loop")?;
    expect_errno(realpath("loop"), libc::ELOOP)
}

fn getcwd_allocates_what_a_deep_directory_needs() -> Outcome {
    crate::scratch::enter()?;
    let name = "d".repeat(250);
    for _ in 0..10 {
        path::mkdir(&name, 0o777)?;
        path::chdir(&name)?;
    }
    let told = std::env::current_dir()?;
    expect(told.as_os_str().len() > 2500, "the path is long")?;
    expect(told.ends_with(&name), "it ends in the directory's name")?;
    // The harness removes the tree by its own path.
    Ok(path::chdir("/")?)
}
