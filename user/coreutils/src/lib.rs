//! The guest's small tools. A library too, since the shell has `echo`, `printf` and `test` built in
//! by the same rules.

pub mod echo;
pub mod expression;
pub mod printf;
