//! The shell against the host's `/bin/sh`: the same script must print the same and end with the
//! same status. Each script is one behaviour of POSIX, by name.

mod scripts;

use scripts::SCRIPTS;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs `script` in a directory of its own with three files, by one of the shells.
fn run(shell: &str, script: &str, directory: &Path) -> Output {
    std::fs::create_dir_all(directory).expect("a temporary directory can be made");
    for (name, text) in [("a.txt", "alpha\n"), ("b.txt", "beta\n"), ("c d", "gamma\n")] {
        std::fs::write(directory.join(name), text).expect("the directory is writable");
    }
    let mut child = Command::new(shell)
        .current_dir(directory)
        .args(["-c", script, "name", "one", "two three"])
        .env_clear()
        .env("PATH", "/bin:/usr/bin")
        .env("HOME", "/home/somebody")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the shell starts");
    let mut input = child.stdin.take().expect("standard input is a pipe");
    // A script that does not read its input may be gone already.
    let _ = input.write_all(b"first line\nsecond  line \\\ncontinued\nlast");
    drop(input);
    let output = child.wait_with_output().expect("the shell ends");
    std::fs::remove_dir_all(directory).expect("the directory can be removed");
    output
}

#[test]
fn scripts_behave_as_in_the_reference_shell() {
    let base = std::env::temp_dir().join(format!("sh-differential-{}", std::process::id()));
    let mut wrong = Vec::new();
    for (name, script) in SCRIPTS {
        let expected = run("/bin/sh", script, &base.join("reference"));
        let found = run(env!("CARGO_BIN_EXE_sh"), script, &base.join("reference"));
        if (&found.stdout, found.status.code()) != (&expected.stdout, expected.status.code()) {
            wrong.push(format!(
                "{name}: {script}\n  expected {:?} {:?}\n  found    {:?} {:?}\n  error    {:?}",
                expected.status.code(),
                String::from_utf8_lossy(&expected.stdout),
                found.status.code(),
                String::from_utf8_lossy(&found.stdout),
                String::from_utf8_lossy(&found.stderr),
            ));
        }
    }
    std::fs::remove_dir(&base).expect("only the scripts' directory was in it");
    assert!(wrong.is_empty(), "{} of {} scripts differ:\n{}", wrong.len(), SCRIPTS.len(), wrong.join("\n"));
}

#[test]
fn endless_recursion_is_an_error_and_not_a_crash() {
    for script in [
        "f() { f; }; f",
        "f() { f || f; }; f",
        "x='eval \"$x\"'; eval \"$x\"",
        "f() { case x in x) if :; then { f; }; fi;; esac; }; f",
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_sh")).args(["-c", script]).output().expect("the shell starts");
        assert_eq!(output.status.code(), Some(2), "{script}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("too deeply"), "{script}");
    }
}

#[test]
fn scripts_on_standard_input_are_read_line_by_line() {
    let scripts = [
        "echo one \\\n two \\\n three\n",
        "on\\\ne=1; echo \"a\\\nb\" # c \\\necho next\n",
        "echo a && \\\necho b | \\\ncat\n",
        "cat <<EOF\nbody \\\nmore\nEOF\n",
        "echo no newline",
        "echo continued \\",
    ];
    for script in scripts {
        let output = |shell: &str| {
            let mut child = Command::new(shell)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .expect("the shell starts");
            child.stdin.take().expect("a pipe").write_all(script.as_bytes()).expect("the shell reads");
            child.wait_with_output().expect("the shell ends")
        };
        let (expected, found) = (output("/bin/sh"), output(env!("CARGO_BIN_EXE_sh")));
        assert_eq!(String::from_utf8_lossy(&found.stdout), String::from_utf8_lossy(&expected.stdout), "{script}");
        assert_eq!(found.status.code(), expected.status.code(), "{script}");
    }
}

#[test]
fn a_syntax_error_has_its_line() {
    let script = "echo one\n\nif true; then\nfi fi\n";
    let path = std::env::temp_dir().join(format!("sh-syntax-{}", std::process::id()));
    std::fs::write(&path, script).expect("the directory is writable");
    let by_name = Command::new(env!("CARGO_BIN_EXE_sh")).arg(&path).output().expect("the shell starts");
    let input = std::fs::File::open(&path).expect("it was just written");
    let by_input = Command::new(env!("CARGO_BIN_EXE_sh")).stdin(input).output().expect("the shell starts");
    std::fs::remove_file(&path).expect("it was just written");
    for output in [by_name, by_input] {
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(message.contains(": 4: Syntax error"), "{message}");
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(output.stdout, b"one\n");
    }
}

#[test]
fn a_fault_sent_as_a_signal_ends_the_shell() {
    use std::os::unix::process::ExitStatusExt;
    for (name, number) in [("SEGV", libc::SIGSEGV), ("BUS", libc::SIGBUS)] {
        let script = format!("kill -{name} $$; echo still here");
        let output = Command::new(env!("CARGO_BIN_EXE_sh")).args(["-c", &script]).output().expect("the shell starts");
        assert_eq!((output.status.signal(), output.stdout.as_slice()), (Some(number), b"".as_slice()), "{name}");
    }
}
