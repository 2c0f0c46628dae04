//! The children of each node of a tree, in order of their arrival: numbers that the nodes keep of one another.
//!
//! Owns nothing: the nodes are the caller's, in a map by number, and its lock guards them. So it takes no memory to join, to
//! leave or to change to another parent, which whoever ends and cannot be refused relies on; and each costs as much among ten
//! thousand siblings as among two. No locks, never sleeps. Specification: the model in the tests.

use alloc::collections::BTreeMap;

/// A node's number.
type Number = u32;

/// What a node keeps of its relations. A node has no siblings and no children at first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Relations {
    oldest_child: Option<Number>,
    youngest_child: Option<Number>,
    older: Option<Number>,
    younger: Option<Number>,
}

/// A node that keeps them.
pub trait Related {
    /// Its own.
    fn relations(&self) -> &Relations;
    /// The same, for this module alone to change.
    fn relations_mut(&mut self) -> &mut Relations;
}

type Nodes<N> = BTreeMap<Number, N>;

fn change<N: Related>(nodes: &mut Nodes<N>, number: Number, change: impl FnOnce(&mut Relations)) {
    if let Some(node) = nodes.get_mut(&number) {
        change(node.relations_mut());
    }
}

/// `child`, who has no parent, becomes the youngest child of `parent`. Does nothing if there is no such parent.
pub fn join<N: Related>(nodes: &mut Nodes<N>, parent: Number, child: Number) {
    let Some(node) = nodes.get_mut(&parent) else { return };
    let older = node.relations_mut().youngest_child.replace(child);
    match older {
        None => node.relations_mut().oldest_child = Some(child),
        Some(older) => change(nodes, older, |older| older.younger = Some(child)),
    }
    change(nodes, child, |child| child.older = older);
}

/// `child` has no parent any more, who was `parent`. Does nothing if there was no such parent.
pub fn leave<N: Related>(nodes: &mut Nodes<N>, parent: Number, child: Number) {
    if !nodes.contains_key(&parent) {
        return;
    }
    let Some(node) = nodes.get_mut(&child) else { return };
    let Relations { older, younger, .. } = *node.relations();
    *node.relations_mut() = Relations { older: None, younger: None, ..*node.relations() };
    match older {
        None => change(nodes, parent, |parent| parent.oldest_child = younger),
        Some(older) => change(nodes, older, |older| older.younger = younger),
    }
    match younger {
        None => change(nodes, parent, |parent| parent.youngest_child = older),
        Some(younger) => change(nodes, younger, |younger| younger.older = older),
    }
}

/// The children of `parent`, oldest first.
pub fn children<N: Related>(nodes: &Nodes<N>, parent: Number) -> impl Iterator<Item = (Number, &N)> {
    let entry = |number: Number| Some((number, nodes.get(&number)?));
    let first = nodes.get(&parent).and_then(|node| node.relations().oldest_child).and_then(entry);
    core::iter::successors(first, move |(_, child)| child.relations().younger.and_then(entry))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    #[derive(Debug, Default)]
    struct Node(Relations);

    impl Related for Node {
        fn relations(&self) -> &Relations {
            &self.0
        }

        fn relations_mut(&mut self) -> &mut Relations {
            &mut self.0
        }
    }

    const NODES: Number = 6;

    fn nodes() -> Nodes<Node> {
        (0..NODES).map(|number| (number, Node::default())).collect()
    }

    fn listed(nodes: &Nodes<Node>, parent: Number) -> Vec<Number> {
        children(nodes, parent).map(|(number, _)| number).collect()
    }

    #[test]
    fn children_are_listed_in_order_of_their_arrival() {
        let mut nodes = nodes();
        for child in [3, 1, 5] {
            join(&mut nodes, 0, child);
        }
        assert_eq!(listed(&nodes, 0), [3, 1, 5]);
    }

    #[test]
    fn who_has_left_its_parent_keeps_its_own_children() {
        let mut nodes = nodes();
        join(&mut nodes, 0, 1);
        join(&mut nodes, 1, 2);
        leave(&mut nodes, 0, 1);
        assert_eq!(listed(&nodes, 0), []);
        assert_eq!(listed(&nodes, 1), [2]);
    }

    #[test]
    fn child_of_nobody_has_no_siblings() {
        let mut nodes = nodes();
        join(&mut nodes, NODES, 1);
        join(&mut nodes, NODES, 2);
        leave(&mut nodes, NODES, 1);
        assert_eq!(nodes[&1].0, Relations::default());
        assert_eq!(nodes[&2].0, Relations::default());
    }

    proptest! {
        #[test]
        fn families_agree_with_lists_of_children(moves in proptest::collection::vec((0..NODES, 0..NODES), 0..60)) {
            let mut nodes = nodes();
            let mut model: Vec<Vec<Number>> = std::vec![Vec::new(); NODES as usize];
            let mut parents: Vec<Option<Number>> = std::vec![None; NODES as usize];
            for (child, parent) in moves {
                if let Some(old) = parents[child as usize].take() {
                    leave(&mut nodes, old, child);
                    model[old as usize].retain(|other| *other != child);
                }
                if parent != child {
                    join(&mut nodes, parent, child);
                    model[parent as usize].push(child);
                    parents[child as usize] = Some(parent);
                }
                for parent in 0..NODES {
                    prop_assert_eq!(&listed(&nodes, parent), &model[parent as usize]);
                }
            }
        }
    }
}
