use std::ops::{Deref, DerefMut};

use selfup_tests::{Certificate, Service, ServiceBuilder, eventually};

use super::client::{Kept, To};

/// A service, and how it is spoken to.
#[derive(Debug)]
pub(crate) struct Tested {
    service: Service,
    to: To,
}

impl Tested {
    /// One that speaks HTTP in the clear.
    pub(crate) fn in_the_clear(builder: ServiceBuilder) -> Self {
        let service = builder.start();
        let to = service.address().into();
        Self { service, to }
    }

    /// One that speaks TLS, with a certificate of its own in its directory.
    pub(crate) fn over_tls(builder: ServiceBuilder) -> Self {
        let config = Certificate::made_in(builder.directory()).client("http/1.1");
        let directory = builder.directory().to_owned();
        let service = builder.set("TLS", directory).start();
        let to = To { address: service.address(), tls: Some(config) };
        Self { service, to }
    }

    pub(crate) fn to(&self) -> &To {
        &self.to
    }

    pub(crate) fn open(&self) -> Kept {
        Kept::open(self.to.clone())
    }

    /// Waits until whoever connects is served by `generation`, and tells how many were served by
    /// others before: on a busy machine the master goes on before the old one says that it paused.
    pub(crate) fn wait_until_served_by(&self, generation: u64) -> usize {
        let (end, mut late) = (format!(" {generation}\n"), 0);
        eventually("the generation serves", || {
            let is_served = self.open().get("/").body.ends_with(&end);
            late += usize::from(!is_served);
            is_served.then_some(late)
        })
    }

    /// Waits until every connection that was opened before is accepted.
    pub(crate) fn have_all_accepted(&self) {
        // Connections are accepted in their order.
        self.open().get("/");
    }
}

impl Deref for Tested {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.service
    }
}

impl DerefMut for Tested {
    fn deref_mut(&mut self) -> &mut Service {
        &mut self.service
    }
}
