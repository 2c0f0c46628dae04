//! Debian's busybox, unmodified, as the whole of user space: a long script, and a shell typed at. Each runs on Linux and on
//! Postern; the scripts check themselves, and what they print must be the same, byte for byte.
//!
//! The scripts are in `busybox/`; `make programs` builds the initramfs.

use guest_tests::Count;
use guest_tests::machine::{Boot, Console, Kernel};

/// From the first line of KTAP to the plan, which the script prints last.
fn report(printed: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = printed.lines().skip_while(|line| !line.starts_with("KTAP")).collect();
    let end = lines.iter().position(|line| line.starts_with("1..")).map_or(lines.len(), |plan| plan + 1);
    lines.truncate(end);
    lines
}

/// Boots and returns what was printed, which is whole and without a failure.
fn session(kernel: Kernel, cpus: u8) -> String {
    let (status, printed) = Boot { kernel, cpus, script: "/session" }.run();
    let mut count = Count::default();
    report(&printed).iter().for_each(|line| count.on_line(line));
    assert_eq!((status, count.complaint()), (0, None), "{kernel:?} on {cpus} CPU(s):\n{printed}");
    printed
}

fn assert_same(linux: &str, postern: &str) {
    let (linux, postern) = (report(linux), report(postern));
    for (there, here) in linux.iter().zip(&postern) {
        assert_eq!(there, here, "Linux printed the first, Postern the second; all of it:\n{}", postern.join("\n"));
    }
    assert_eq!(linux.len(), postern.len(), "the number of lines");
}

#[test]
fn a_session_prints_what_it_prints_on_linux() {
    let linux = session(Kernel::Linux, 1);
    assert_same(&linux, &session(Kernel::Postern, 1));
    assert_same(&linux, &session(Kernel::Postern, 4));
}

const PROMPT: &str = "ready> ";
/// ^C, ^D, ^U, ^Z, ^\ and Escape.
const INTERRUPT: &str = "\x03";
const END_OF_FILE: &str = "\x04";
const KILL_LINE: &str = "\x15";
const SUSPEND: &str = "\x1a";
const QUIT: &str = "\x1c";
const ESCAPE: &str = "\x1b";
const CURSOR_UP: &str = "\x1b[A";

/// Types a line, which fits into one of the terminal's, and waits for what it prints, then for the prompt.
fn command(console: &mut Console, line: &str, answer: &str) {
    console.type_keys(line);
    console.type_keys("\n");
    console.wait_for(answer);
    console.wait_for(PROMPT);
}

/// Starts what waits in the foreground; `ready` says that the line is no longer edited by the shell.
fn foreground(console: &mut Console, line: &str) {
    console.type_keys(line);
    console.type_keys("\n");
    console.wait_for("ready\n");
}

/// Types a line that `cat` answers: it is in the foreground.
fn cat_answers(console: &mut Console, line: &str) {
    console.type_keys(&format!("{line}\n"));
    console.wait_for(&format!("{line}\n{line}\n"));
}

fn stop_and_go_on(console: &mut Console) {
    foreground(console, "echo rea''dy; cat");
    cat_answers(console, "one");
    console.type_keys(SUSPEND);
    console.wait_for("[1]+  Stopped");
    console.wait_for(PROMPT);
    command(console, "jobs", "[1]+  Stopped");
    console.type_keys("fg\n");
    console.wait_for("cat\n");
    cat_answers(console, "two");
    console.type_keys(INTERRUPT);
    console.wait_for(PROMPT);
    command(console, "echo $? of it", "130 of it\n");
    foreground(console, "(:; echo rea''dy; sleep 1000)");
    console.type_keys(SUSPEND);
    console.wait_for("[1]+  Stopped");
    console.wait_for(PROMPT);
    command(console, "bg", "[1] ");
    command(console, "jobs", "[1]+  Running");
    command(console, "kill %1; wait %1; echo $? of it", "143 of it\n");
    foreground(console, "(:; echo rea''dy; sleep 1000)");
    console.type_keys(QUIT);
    console.wait_for(PROMPT);
    command(console, "echo $? of it", "131 of it\n");
}

fn background(console: &mut Console) {
    command(console, "sleep 1000 &", "");
    command(console, "kill %1; wait %1; echo $? of it", "143 of it\n");
    // A background job that reads is stopped, and reads on in the foreground.
    command(console, "cat &", "");
    command(console, "/until-stopped $!; jobs", "Stopped (tty input)");
    console.type_keys("fg\n");
    console.wait_for("cat\n");
    cat_answers(console, "a line");
    console.type_keys(END_OF_FILE);
    console.wait_for(PROMPT);
    command(console, "stty tostop; echo unseen &", "");
    command(console, "/until-stopped $!; jobs", "Stopped (tty output)");
    console.type_keys("stty -tostop; fg\n");
    console.wait_for("unseen\nunseen\n");
    console.wait_for(PROMPT);
}

fn editing(console: &mut Console) {
    console.type_keys("echo wrong");
    console.type_keys(KILL_LINE);
    command(console, "echo righ\x7f\x7fght", "\nright\n");
    console.type_keys(CURSOR_UP);
    command(console, "", "\nright\n");
    foreground(console, "echo rea''dy; cat >file");
    console.type_keys("one\nwrong\x15twoo\x7f\n");
    console.type_keys(END_OF_FILE);
    console.wait_for(PROMPT);
    command(console, "xargs <file", "one two\n");
}

/// Programs that read each key as it comes.
fn whole_screen(console: &mut Console) {
    console.type_keys("vi text\n");
    console.wait_for("text");
    console.wait_for("1/1");
    console.type_keys("ifirst\nsecond");
    console.wait_for("I text [Modified] 2/2");
    console.type_keys(ESCAPE);
    console.wait_for("- text [Modified] 2/2");
    console.type_keys(":wq\n");
    console.wait_for(PROMPT);
    command(console, "xargs <text", "first second\n");
    console.type_keys("seq 100 | less\n");
    console.wait_for("standard input");
    console.type_keys("q");
    console.wait_for(PROMPT);
    console.type_keys("top\n");
    console.wait_for("COMMAND");
    console.type_keys("q");
    console.wait_for(PROMPT);
    command(console, "stty -a | grep -c 'isig icanon iexten echo '", "\n1\n");
}

/// A shell used by hand, with job control.
fn by_hand(kernel: Kernel, cpus: u8) {
    let mut console = Boot { kernel, cpus, script: "/by-hand" }.start();
    console.wait_for(PROMPT);
    stop_and_go_on(&mut console);
    background(&mut console);
    editing(&mut console);
    whole_screen(&mut console);
    console.type_keys("exit 5\n");
    assert_eq!(console.status(), 5, "{kernel:?} on {cpus} CPU(s):\n{}", console.printed());
}

#[test]
fn a_shell_at_the_console_has_job_control() {
    by_hand(Kernel::Linux, 1);
    by_hand(Kernel::Postern, 1);
    by_hand(Kernel::Postern, 4);
}
