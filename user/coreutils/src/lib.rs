//! The guest's small tools. A library, since the shell has `echo`, `printf` and `test` built in by
//! the same rules.

mod cgrun;
mod columns;
mod copy;
mod dd;
mod dump;
pub mod echo;
mod exercises;
pub mod expression;
mod find;
mod find_expression;
mod gate;
mod grep;
mod grep_context;
mod identity;
mod invocation;
mod ipctop;
mod list;
mod machine;
pub mod mode;
mod module;
mod moment;
mod mounting;
mod names;
mod number;
pub mod printf;
mod process;
mod run;
mod script;
mod shared;
mod size;
mod sort;
mod stat;
mod stream;
pub mod table;
mod timeout;
mod xargs;
