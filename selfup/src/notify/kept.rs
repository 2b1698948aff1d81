//! The sockets that the manager keeps: its store of descriptors, `FileDescriptorStoreMax=`.
//!
//! Each listener is given to it when it is bound, and taken back when its address is gone. So one
//! that the manager starts again, after a crash or by hand, is handed the sockets in which clients
//! have waited meanwhile; see [`crate::listeners::store`]. A stop leaves them there: whether it is one
//! half of a restart only the manager knows, which drops them where it is not
//! (`FileDescriptorStorePreserve=`).
//!
//! They are offered to every manager, for those before systemd 254 do not say whether they keep any.
//! One that does not closes them.

use std::collections::BTreeMap;
use std::os::fd::AsFd as _;

use super::Manager;
use crate::listeners::{Bound, store};

/// How many sockets the manager keeps under each name, as far as this process knows.
#[derive(Debug, Default)]
pub(crate) struct Kept(BTreeMap<String, usize>);

impl Kept {
    /// Those that it handed in under these names.
    pub(crate) fn begin(names: Vec<String>) -> Self {
        let mut kept = BTreeMap::new();
        for name in names {
            *kept.entry(name).or_default() += 1;
        }
        Self(kept)
    }

    /// Has the manager keep `bound`, and nothing else.
    pub(crate) fn follow(&mut self, bound: &[Bound], manager: &mut Manager) {
        let mut wanted = BTreeMap::<String, Vec<&Bound>>::new();
        for (index, it) in bound.iter().enumerate() {
            let is_same = |earlier: &Bound| earlier.address.is_same_socket(&it.address);
            if let (Some(name), false) = (store::name_of(it), bound[..index].iter().any(is_same)) {
                wanted.entry(name).or_default().push(it);
            }
        }
        let is_wanted = |name: &String, count: &mut usize| {
            let is_wanted = wanted.get(name).is_some_and(|wanted| wanted.len() >= *count);
            if !is_wanted {
                // Of one name all go; those that are to stay are kept anew.
                manager.say(format!("FDSTOREREMOVE=1\nFDNAME={name}"));
            }
            is_wanted
        };
        self.0.retain(is_wanted);
        for (name, wanted) in wanted {
            let kept = self.0.entry(name.clone()).or_default();
            if *kept < wanted.len() {
                // One that it has already it does not take twice.
                for it in &wanted {
                    manager.keep(&name, it.socket.as_fd());
                }
                *kept = wanted.len();
            }
        }
    }
}
