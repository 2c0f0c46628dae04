//! Random numbers: ChaCha20 seeded from the loader's `rng-seed` and the counter at boot.
//! Under the emulator's deterministic pins the seed is constant, and so are the numbers: by design.
//! Lock: OBJECT around the generator. Never sleeps.

use crate::sync::{SpinLock, rank};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

static GENERATOR: SpinLock<Option<ChaCha20Rng>> = SpinLock::new(rank::OBJECT, None);

/// Seeds the generator. Once, at boot.
pub fn init(loader_seed: Option<&[u8]>) {
    let mut seed = [0; 32];
    for (index, byte) in loader_seed.unwrap_or(&[]).iter().enumerate() {
        seed[index % 32] ^= byte;
    }
    for (byte, ticks) in seed.iter_mut().zip(crate::arch::timer::ticks().to_le_bytes()) {
        *byte ^= ticks;
    }
    *GENERATOR.lock() = Some(ChaCha20Rng::from_seed(seed));
}

/// Fills `out`.
pub fn fill(out: &mut [u8]) {
    if let Some(generator) = GENERATOR.lock().as_mut() {
        generator.fill_bytes(out);
    }
}

/// Some random bytes.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill(&mut bytes);
    bytes
}
