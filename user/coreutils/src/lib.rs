//! The guest's small tools. A library, since the shell has `echo`, `printf` and `test` built in by
//! the same rules.

mod copy;
mod dd;
pub mod echo;
pub mod expression;
mod identity;
mod invocation;
mod list;
mod machine;
mod mode;
mod moment;
mod names;
pub mod printf;
mod process;
mod shared;
mod size;
mod stat;
mod stream;
pub mod table;
