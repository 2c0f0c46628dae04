//! `/dev/hello` keeps the whole contract of a pipe: the pipe's own tests, and those of poll, epoll and splicing, on
//! channels of it.

use super::{epoll, pipe, pipe_atomicity, pipe_capacity, poll, splice, splice_memory};
use crate::harness::Test;
use crate::sys::{fd, hello};

/// What says something of pipe2(2) itself, of a pipe's inode, or of its own limit of size.
const OF_PIPES_ONLY: &[&str] = &[
    "fstat_says_fifo",
    "pipe2_refuses_unknown_flags_with_einval",
    "exceeding_pipe_max_size_gives_eperm_without_privilege",
    "setting_more_than_can_be_had_gives_enomem_to_root",
];

/// The tests of this suite.
pub fn tests() -> Vec<Test> {
    let of_pipes = [pipe::tests(), pipe_atomicity::tests(), pipe_capacity::tests()];
    let of_any = [poll::tests(), epoll::tests(), splice::tests(), splice_memory::tests()];
    let fitting =
        of_pipes.into_iter().chain(of_any).flatten().filter(|test| !OF_PIPES_ONLY.contains(&test.name.as_str()));
    fitting.map(on_hello).collect()
}

fn on_hello(test: Test) -> Test {
    let Test { name, body } = test;
    let body = move || {
        hello::needed()?;
        fd::put_hello_in_the_place_of_pipes();
        body()
    };
    Test { name, body: Box::new(body) }
}
