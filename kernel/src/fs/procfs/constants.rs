//! /proc/sys/kernel: what never changes while the system runs, and random identifiers.
//!
//! Owns the identifier of this boot. No locks; never sleeps. Specification: proc_sys_kernel(5), random(4).

use crate::fs::procfs::add_text;
use crate::fs::procfs::text::{Text, put};
use crate::random;
use linux_raw_sys::general as abi;
use postern_core::errno::Result;
use spin::Once;

/// Bits of randomness at hand, and at most: Linux has said the same of both since it has one generator for all.
const ENTROPY_BITS: u32 = 256;
/// The user and group that stand for those whose numbers do not fit.
const OVERFLOW_ID: u32 = 65_534;

static BOOT_ID: Once<[u8; 16]> = Once::new();

/// Enters them.
///
/// # Errors
/// EEXIST.
pub fn init() -> Result<()> {
    add_text("sys/kernel/random/boot_id", |text| show_identifier(text, BOOT_ID.call_once(random::bytes)))?;
    add_text("sys/kernel/random/uuid", |text| show_identifier(text, &random::bytes()))?;
    add_text("sys/kernel/random/entropy_avail", |text| show_number(text, ENTROPY_BITS))?;
    add_text("sys/kernel/random/poolsize", |text| show_number(text, ENTROPY_BITS))?;
    add_text("sys/kernel/ngroups_max", |text| show_number(text, abi::NGROUPS_MAX))?;
    add_text("sys/kernel/cap_last_cap", |text| show_number(text, abi::CAP_LAST_CAP))?;
    add_text("sys/kernel/overflowuid", |text| show_number(text, OVERFLOW_ID))?;
    add_text("sys/kernel/overflowgid", |text| show_number(text, OVERFLOW_ID))
}

fn show_number(text: &mut Text, number: u32) -> Result<()> {
    put!(text, "{number}\n");
    Ok(())
}

/// As a random UUID (RFC 9562, version 4).
fn show_identifier(text: &mut Text, bytes: &[u8; 16]) -> Result<()> {
    let mut bytes = *bytes;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    for (index, byte) in bytes.iter().enumerate() {
        let dash = if matches!(index, 4 | 6 | 8 | 10) { "-" } else { "" };
        put!(text, "{dash}{byte:02x}");
    }
    put!(text, "\n");
    Ok(())
}
