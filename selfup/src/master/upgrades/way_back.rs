//! Whether what the thread offers, or has put in place, is itself the previous binary that somebody
//! asked for: who asks once more must not undo it.

use super::{Offer, Order};

#[derive(Debug, Default)]
pub(super) struct WayBack {
    is_offered: bool,
    is_in_place: bool,
}

impl WayBack {
    pub(super) fn offered(&mut self, offer: Offer) {
        self.is_offered = matches!(offer, Offer::RolledBack(_));
    }

    pub(super) fn ordered(&mut self, order: &Order) {
        match order {
            Order::Swap => self.is_in_place = std::mem::take(&mut self.is_offered),
            Order::Discard => self.is_offered = false,
            Order::Keep | Order::Restore(_) => self.is_in_place = false,
            Order::Leave => {}
        }
    }

    pub(super) fn is_under_way(&self) -> bool {
        self.is_offered || self.is_in_place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_back_is_under_way_from_its_offer_until_it_is_decided() {
        let mut way_back = WayBack::default();
        way_back.offered(Offer::RolledBack(1));
        for order in [Order::Swap, Order::Leave] {
            assert!(way_back.is_under_way());
            way_back.ordered(&order);
        }
        // Another candidate changes nothing before it is in its place.
        way_back.offered(Offer::Polled);
        assert!(way_back.is_under_way());
        way_back.ordered(&Order::Swap);
        assert!(!way_back.is_under_way());
        way_back.offered(Offer::RolledBack(2));
        way_back.ordered(&Order::Discard);
        assert!(!way_back.is_under_way());
    }
}
