//! Sockets that are under way in messages to sockets, and which of them nobody can ever receive.
//!
//! A register of every such message: in which socket's queue it lies, and which sockets are in it. A socket that only messages
//! refer to, all of which lie where nobody can receive them, is lost: in its own queue, say, or in that of another such one.
//! Reference counts alone never find that. Locks: none, the caller holds one. Never sleeps. Specification: unix(7) SCM_RIGHTS.

use alloc::collections::btree_map::Entry;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec;
use alloc::vec::Vec;

/// A socket in a message: by the number of its queue, and by what the caller knows it by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Held<T> {
    /// The number.
    pub socket: u64,
    /// The caller's.
    pub handle: T,
}

/// A message.
struct Post<T> {
    holder: u64,
    sockets: Vec<Held<T>>,
}

/// All messages with sockets in them, and all connections that wait to be accepted, with which the same is the matter.
pub struct Register<T> {
    posts: BTreeMap<u64, Post<T>>,
    next: u64,
    /// The messages that each socket is in, one that is in a message twice with two entries.
    posts_with: BTreeMap<u64, Vec<u64>>,
    /// The listener of each such connection.
    pending: BTreeMap<u64, u64>,
}

/// A socket to be judged.
struct Vertex<'a, T> {
    /// References from messages, or from the listener.
    held: usize,
    /// References in all.
    references: usize,
    /// None for a connection that was not accepted.
    handle: Option<&'a T>,
    is_reachable: bool,
}

impl<T> Register<T> {
    /// Without messages.
    #[must_use]
    pub const fn new() -> Self {
        Self { posts: BTreeMap::new(), next: 0, posts_with: BTreeMap::new(), pending: BTreeMap::new() }
    }

    /// Enters a message in the queue numbered `holder`; the number it is withdrawn by.
    pub fn post(&mut self, holder: u64, sockets: Vec<Held<T>>) -> u64 {
        let post = self.next;
        self.next += 1;
        for held in &sockets {
            self.posts_with.entry(held.socket).or_default().push(post);
        }
        self.posts.insert(post, Post { holder, sockets });
        post
    }

    /// Takes a message out; what was in it, to be dropped without a lock.
    pub fn withdraw(&mut self, post: u64) -> Vec<Held<T>> {
        let sockets = self.posts.remove(&post).map_or_else(Vec::new, |post| post.sockets);
        for held in &sockets {
            if let Entry::Occupied(mut posts) = self.posts_with.entry(held.socket) {
                posts.get_mut().retain(|other| *other != post);
                if posts.get().is_empty() {
                    posts.remove();
                }
            }
        }
        sockets
    }

    /// A connection waits to be accepted: `socket` is where it receives, `listener` where that does.
    pub fn add_pending(&mut self, socket: u64, listener: u64) {
        self.pending.insert(socket, listener);
    }

    /// It was accepted, or is gone.
    pub fn remove_pending(&mut self, socket: u64) {
        self.pending.remove(&socket);
    }

    /// Whether nobody can ever receive a socket, to which there is one reference less than before. Asks from there backwards, until
    /// somebody is found who has it, or something that it lies in: mostly in a step or two. `references` as for
    /// [`unreachable`](Self::unreachable).
    pub fn is_lost(&self, socket: u64, references: impl Fn(&T) -> usize) -> bool {
        let mut seen = BTreeSet::new();
        let mut to_visit = vec![socket];
        while let Some(number) = to_visit.pop() {
            if !seen.insert(number) {
                continue;
            }
            if let Some(listener) = self.pending.get(&number) {
                to_visit.push(*listener);
                continue;
            }
            // Who is not under way is somebody's.
            let Some(posts) = self.posts_with.get(&number) else { return false };
            let in_first = posts.first().and_then(|post| self.posts.get(post)).map_or(&[][..], |post| &post.sockets);
            let handle = in_first.iter().find(|held| held.socket == number).map(|held| &held.handle);
            if handle.is_some_and(|handle| references(handle) > posts.len()) {
                return false;
            }
            to_visit.extend(posts.iter().filter_map(|post| self.posts.get(post)).map(|post| post.holder));
        }
        true
    }

    /// The sockets in messages that nobody can ever receive, each once. `references` says how many references there are to
    /// one, those from messages included.
    pub fn unreachable(&self, references: impl Fn(&T) -> usize) -> Vec<&T> {
        let (mut vertices, edges) = self.graph(references);
        // Who is not under way is somebody's.
        let mut to_visit: Vec<u64> = edges.keys().copied().filter(|holder| !vertices.contains_key(holder)).collect();
        to_visit
            .extend(vertices.iter().filter(|(_, vertex)| vertex.references > vertex.held).map(|(number, _)| *number));
        while let Some(number) = to_visit.pop() {
            if let Some(vertex) = vertices.get_mut(&number)
                && core::mem::replace(&mut vertex.is_reachable, true)
            {
                continue;
            }
            to_visit.extend(edges.get(&number).into_iter().flatten());
        }
        vertices.into_values().filter(|vertex| !vertex.is_reachable).filter_map(|vertex| vertex.handle).collect()
    }

    /// All that may be lost, and who holds what.
    fn graph(&self, references: impl Fn(&T) -> usize) -> (BTreeMap<u64, Vertex<'_, T>>, BTreeMap<u64, Vec<u64>>) {
        let mut vertices = BTreeMap::new();
        let mut edges: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for (socket, listener) in &self.pending {
            vertices.insert(*socket, Vertex { held: 1, references: 1, handle: None, is_reachable: false });
            edges.entry(*listener).or_default().push(*socket);
        }
        for post in self.posts.values() {
            for Held { socket, handle } in &post.sockets {
                let vertex = vertices.entry(*socket).or_insert_with(|| Vertex {
                    held: 0,
                    references: references(handle),
                    handle: Some(handle),
                    is_reachable: false,
                });
                vertex.held += 1;
                edges.entry(post.holder).or_default().push(*socket);
            }
        }
        (vertices, edges)
    }
}

impl<T> Default for Register<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
