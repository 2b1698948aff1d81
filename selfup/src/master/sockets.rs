//! The listeners of the master, and which generation uses which.
//!
//! An address that a new version adds is bound before its generation is started, and one that it
//! removes is closed when the last generation that uses it has ended. So an upgrade that fails is
//! undone by what happens anyway, its addresses included.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::Address;
use crate::error::{Error, ErrorKind, Result};
use crate::identity::Generation;
use crate::listeners::{Bound, Given, bind_all};

/// The addresses of each generation that lives.
pub(super) type Used = BTreeMap<Generation, Vec<Address>>;

/// What is bound, and for whom.
#[derive(Debug)]
pub(super) struct Sockets {
    bound: Vec<Bound>,
    given: Given,
    backlog: i32,
    /// The addresses of the service as it is committed.
    current: Vec<Address>,
    used: Used,
}

impl Sockets {
    /// What a service begins with: every listener is the first generation's.
    pub(super) fn new(bound: Vec<Bound>, given: Given, backlog: i32) -> Self {
        let current = bound.iter().map(|bound| bound.address.clone()).collect();
        Self { bound, given, backlog, current, used: BTreeMap::new() }
    }

    /// What another master left, for a service on these addresses from now on. Second, what had to
    /// be bound for it. Nothing is closed before this one is [in charge](Self::take_charge).
    pub(super) fn taken_over(
        bound: Vec<Bound>,
        given: Given,
        used: Used,
        current: Vec<Address>,
        backlog: i32,
    ) -> Result<(Self, usize)> {
        let mut sockets = Self { bound, given, backlog, current: Vec::new(), used };
        let added = sockets.bind_missing(&current)?;
        sockets.current = current;
        Ok((sockets, added))
    }

    /// There is no way back any more: what is not used is closed, and the rest is as this master's
    /// config says. What that fails for is no reason not to go on.
    pub(super) fn take_charge(&mut self) -> Vec<Error> {
        self.bound.iter().filter_map(|bound| bound.placed.as_ref()).for_each(|it| it.own());
        self.close_unused();
        self.tune()
    }

    pub(super) fn bound(&self) -> &[Bound] {
        &self.bound
    }

    pub(super) fn given(&self) -> &Given {
        &self.given
    }

    /// The last ones that were bound, so many.
    pub(super) fn newest(&self, count: usize) -> &[Bound] {
        &self.bound[self.bound.len().saturating_sub(count)..]
    }

    pub(super) fn into_bound(self) -> Vec<Bound> {
        self.bound
    }

    /// The addresses of the service.
    pub(super) fn current(&self) -> &[Address] {
        &self.current
    }

    /// The addresses that `generation` uses.
    pub(super) fn used_by(&self, generation: Generation) -> &[Address] {
        self.used.get(&generation).map_or(&[], Vec::as_slice)
    }

    /// Notes that `generation` uses `addresses`, or those of the service, and binds what is not
    /// bound yet: as many as it says.
    pub(super) fn reserve(
        &mut self,
        generation: Generation,
        addresses: Option<Vec<Address>>,
    ) -> Result<usize> {
        let addresses = addresses.unwrap_or_else(|| self.current.clone());
        let added = self.bind_missing(&addresses)?;
        self.used.insert(generation, addresses);
        Ok(added)
    }

    /// The addresses of `generation` in its own words, each with its socket.
    pub(super) fn of(&self, generation: Generation) -> Vec<(&Address, &Bound)> {
        let addresses = self.used_by(generation);
        let picked = pick(&self.bound, addresses).into_iter().zip(addresses);
        picked.filter_map(|(index, address)| Some((address, &self.bound[index?]))).collect()
    }

    /// The addresses of `generation` are those of the service from now on, with their options. What
    /// that fails for is no reason not to go on.
    pub(super) fn commit(&mut self, generation: Generation) -> Vec<Error> {
        let addresses = self.used_by(generation).to_vec();
        let is_other = addresses != self.current;
        self.current = addresses;
        if is_other { self.tune() } else { Vec::new() }
    }

    /// `generation` has ended: what nobody else uses is closed.
    pub(super) fn leave(&mut self, generation: Generation) {
        if self.used.remove(&generation).is_some() {
            self.close_unused();
        }
    }

    /// Closes everything: nobody new is served any more.
    pub(super) fn let_go(&mut self) {
        self.bound.clear();
        self.given.let_go();
    }

    fn bind_missing(&mut self, addresses: &[Address]) -> Result<usize> {
        let picked = pick(&self.bound, addresses);
        let missing = addresses.iter().zip(picked).filter(|(_, picked)| picked.is_none());
        let missing: Vec<_> = missing.map(|(address, _)| address.clone()).collect();
        // Nothing is waited for: the loop has others to look after.
        let bound = bind_all(&missing, &self.bound, &self.given, self.backlog, Duration::ZERO)?;
        self.bound.extend(bound);
        Ok(missing.len())
    }

    /// Has every socket of the service be as its address says.
    fn tune(&mut self) -> Vec<Error> {
        let picked = pick(&self.bound, &self.current);
        let wanted = picked.into_iter().zip(&self.current);
        let tuned = wanted.filter_map(|(index, address)| {
            let error = self.bound[index?].become_as(address, self.backlog).err()?;
            let text = format!("the options of {:?} were not all set", address.as_str());
            Some(Error::new(ErrorKind::Bind, text).caused_by(error))
        });
        tuned.collect()
    }

    fn close_unused(&mut self) {
        let mut is_used = vec![false; self.bound.len()];
        for addresses in self.used.values().chain([&self.current]) {
            for index in pick(&self.bound, addresses).into_iter().flatten() {
                is_used[index] = true;
            }
        }
        let mut is_used = is_used.into_iter();
        self.bound.retain(|_| is_used.next().unwrap_or(false));
    }
}

/// Which of `bound` is for which of `addresses`: one of the same words, if there is one, or of the
/// same place and name, or of the same place. One that is listed twice, as port 0 may be, has two
/// listeners, in their order.
fn pick(bound: &[Bound], addresses: &[Address]) -> Vec<Option<usize>> {
    let is_alike: [fn(&Address, &Address) -> bool; 3] = [
        |one, other| one == other,
        |one, other| one.place() == other.place() && one.name() == other.name(),
        |one, other| one.place() == other.place(),
    ];
    let mut is_free = vec![true; bound.len()];
    let mut picked = vec![None; addresses.len()];
    for is_alike in is_alike {
        for (address, picked) in addresses.iter().zip(&mut picked) {
            let fits = |&index: &usize| is_free[index] && is_alike(&bound[index].address, address);
            if picked.is_none()
                && let Some(index) = (0..bound.len()).find(fits)
            {
                is_free[index] = false;
                *picked = Some(index);
            }
        }
    }
    picked
}

#[cfg(test)]
mod tests {
    use super::*;

    const FREE: &str = "127.0.0.1:0";

    fn addresses(texts: &[&str]) -> Vec<Address> {
        texts.iter().map(|text| Address::parse(text).unwrap()).collect()
    }

    fn generation(number: u64) -> Generation {
        Generation::new(number)
    }

    fn service(texts: &[&str]) -> Sockets {
        let given = Given::default();
        let bound = bind_all(&addresses(texts), &[], &given, 16, Duration::ZERO).unwrap();
        let mut sockets = Sockets::new(bound, given, 16);
        assert_eq!(sockets.reserve(generation(1), None).unwrap(), 0);
        sockets
    }

    fn ports(sockets: &Sockets, number: u64) -> Vec<u16> {
        sockets
            .of(generation(number))
            .iter()
            .map(|(_, bound)| bound.local.as_tcp().unwrap().port())
            .collect()
    }

    #[test]
    fn a_listener_that_both_versions_use_stays_the_same_one() {
        let mut sockets = service(&[FREE, FREE]);
        assert_eq!(sockets.reserve(generation(2), Some(addresses(&[FREE, FREE]))).unwrap(), 0);
        assert_eq!(ports(&sockets, 1), ports(&sockets, 2));
        assert_ne!(ports(&sockets, 1)[0], ports(&sockets, 1)[1]);
    }

    #[test]
    fn what_a_failed_version_added_is_closed_with_it() {
        let mut sockets = service(&[FREE]);
        let wanted = addresses(&["127.0.0.2:0", FREE]);
        assert_eq!(sockets.reserve(generation(2), Some(wanted)).unwrap(), 1);
        assert_eq!(ports(&sockets, 2)[1], ports(&sockets, 1)[0], "in the order of its addresses");
        sockets.leave(generation(2));
        assert_eq!(sockets.bound().len(), 1);
        assert_eq!(ports(&sockets, 1).len(), 1);
    }

    #[test]
    fn what_is_removed_is_closed_when_the_last_generation_that_uses_it_ends() {
        let mut sockets = service(&[FREE, "127.0.0.2:0"]);
        sockets.reserve(generation(2), Some(addresses(&[FREE]))).unwrap();
        sockets.commit(generation(2));
        assert_eq!(sockets.bound().len(), 2);
        sockets.leave(generation(1));
        assert_eq!(sockets.bound().len(), 1);
        assert_eq!(sockets.reserve(generation(3), None).unwrap(), 0);
        assert_eq!(ports(&sockets, 3), ports(&sockets, 2));
    }

    #[test]
    fn an_address_that_cannot_be_bound_changes_nothing() {
        let mut sockets = service(&[FREE]);
        let taken = format!("127.0.0.1:{}", ports(&sockets, 1)[0]);
        let error = sockets.reserve(generation(2), Some(addresses(&[&taken]))).unwrap_err();
        assert!(error.to_string().contains(&taken), "{error}");
        assert_eq!(sockets.bound().len(), 1);
        assert!(sockets.used_by(generation(2)).is_empty());
    }
}
