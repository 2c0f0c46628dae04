//! Where groups lie: in chunks, so that a group's place is a small number, and its parent's is found without a search.
//!
//! Growing moves no group and asks for no large block, for the caller may hold a spin lock; an empty chunk is given back. No locks,
//! never sleeps. Pure.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

/// Places of a chunk.
const CHUNK: usize = 16;

/// Chunks that there is always room for in the table of them.
const FEWEST: usize = 4;

/// Where something lies, as long as it does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place(u32);

impl Place {
    fn split(self) -> (usize, usize) {
        let place = self.0 as usize;
        (place / CHUNK, place % CHUNK)
    }
}

#[derive(Debug)]
struct Chunk<T> {
    used: usize,
    /// None at all while nothing is in use.
    places: Box<[Option<T>]>,
}

/// A set of things at places.
#[derive(Debug)]
pub(super) struct Arena<T> {
    chunks: Vec<Chunk<T>>,
    /// Chunks with a free place.
    open: BTreeSet<usize>,
}

impl<T> Arena<T> {
    /// Nothing.
    pub(super) const fn new() -> Self {
        Self { chunks: Vec::new(), open: BTreeSet::new() }
    }

    /// Finds a place for `value`.
    pub(super) fn insert(&mut self, value: T) -> Place {
        let index = self.open.first().copied().unwrap_or_else(|| {
            self.chunks.push(Chunk { used: 0, places: Box::default() });
            self.chunks.len() - 1
        });
        let chunk = &mut self.chunks[index];
        if chunk.places.is_empty() {
            chunk.places = (0..CHUNK).map(|_| None).collect();
        }
        let free = chunk.places.iter().position(Option::is_none);
        let within = free.expect("an open chunk has a free place");
        chunk.places[within] = Some(value);
        chunk.used += 1;
        if chunk.used == CHUNK {
            self.open.remove(&index);
        } else {
            self.open.insert(index);
        }
        Place(u32::try_from(index * CHUNK + within).expect("there is no memory for so many groups"))
    }

    /// Takes out what lies at `place`.
    pub(super) fn remove(&mut self, place: Place) -> Option<T> {
        let (index, within) = place.split();
        let chunk = self.chunks.get_mut(index)?;
        let value = chunk.places.get_mut(within)?.take()?;
        chunk.used -= 1;
        self.open.insert(index);
        if chunk.used == 0 {
            chunk.places = Box::default();
        }
        while self.chunks.last().is_some_and(|chunk| chunk.used == 0) {
            self.chunks.pop();
            self.open.remove(&self.chunks.len());
        }
        // Half a table's worth of changes lies between one move of it and the next.
        if self.chunks.capacity() > FEWEST && self.chunks.len() <= self.chunks.capacity() / 4 {
            self.chunks.shrink_to((self.chunks.len() * 2).max(FEWEST));
        }
        Some(value)
    }

    /// What lies at `place`.
    #[inline]
    pub(super) fn get(&self, place: Place) -> Option<&T> {
        let (index, within) = place.split();
        self.chunks.get(index)?.places.get(within)?.as_ref()
    }

    /// The same, to be changed.
    #[inline]
    pub(super) fn get_mut(&mut self, place: Place) -> Option<&mut T> {
        let (index, within) = place.split();
        self.chunks.get_mut(index)?.places.get_mut(within)?.as_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::{Arena, CHUNK, FEWEST};
    use std::vec::Vec;

    #[test]
    fn things_stay_where_they_are_and_places_are_used_again() {
        let mut arena = Arena::new();
        let places: Vec<_> = (0..3 * CHUNK).map(|number| arena.insert(number)).collect();
        for (number, place) in places.iter().enumerate() {
            assert_eq!(arena.get(*place), Some(&number));
        }
        for place in &places[CHUNK..2 * CHUNK] {
            assert!(arena.remove(*place).is_some());
            assert_eq!(arena.get(*place), None);
            assert_eq!(arena.remove(*place), None);
        }
        assert!(arena.chunks[1].places.is_empty(), "an empty chunk is given back");
        let again: Vec<_> = (0..CHUNK).map(|number| arena.insert(number)).collect();
        assert_eq!(again, places[CHUNK..2 * CHUNK], "no chunk is added while there is room");
        for place in places {
            arena.remove(place);
        }
        assert!(arena.chunks.is_empty() && arena.open.is_empty());
    }

    #[test]
    fn the_table_shrinks_as_it_grew() {
        let mut arena = Arena::new();
        arena.insert(0);
        let places: Vec<_> = (0..100 * CHUNK).map(|number| arena.insert(number)).collect();
        assert!(arena.chunks.capacity() > 100);
        for place in places {
            arena.remove(place);
        }
        assert_eq!((arena.chunks.len(), arena.chunks.capacity()), (1, FEWEST));
    }
}
