//! A fetcher of a type that is known only at run time.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use super::{Current, Fetched, Fetcher};
use crate::error::BoxError;

/// `fetcher`, with a type that is the same for all of them.
///
/// [`Fetcher`] itself makes no trait objects, for its methods give futures of types of their own.
///
/// ```
/// use selfup::Fetched;
/// use selfup::fetcher::{self, BoxFetcher};
///
/// fn releases(path: Option<&str>) -> BoxFetcher {
///     match path {
///         Some(path) => fetcher::boxed(fetcher::file(path)),
///         None => fetcher::boxed(fetcher::from_fn(async |_| {
///             Ok::<_, std::io::Error>(Fetched::Unchanged) // asked of a database, say
///         })),
///     }
/// }
/// # let _ = releases(Some("/srv/app"));
/// ```
pub fn boxed(fetcher: impl Fetcher) -> BoxFetcher {
    BoxFetcher(Box::new(fetcher))
}

/// A fetcher of any type; made by [`boxed`].
#[must_use = "a fetcher does nothing until it is given to a service"]
pub struct BoxFetcher(Box<dyn AnyFetcher>);

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// [`Fetcher`] as a trait object.
trait AnyFetcher: Send {
    fn fetch<'a>(&'a mut self, current: &'a Current) -> Boxed<'a, Result<Fetched, BoxError>>;
    fn interval(&self) -> Duration;
    fn changed(&mut self) -> Boxed<'_, ()>;
    fn check(&self) -> Result<(), BoxError>;
}

impl<F: Fetcher> AnyFetcher for F {
    fn fetch<'a>(&'a mut self, current: &'a Current) -> Boxed<'a, Result<Fetched, BoxError>> {
        Box::pin(Fetcher::fetch(self, current))
    }

    fn interval(&self) -> Duration {
        Fetcher::interval(self)
    }

    fn changed(&mut self) -> Boxed<'_, ()> {
        Box::pin(Fetcher::changed(self))
    }

    fn check(&self) -> Result<(), BoxError> {
        Fetcher::check(self)
    }
}

impl Fetcher for BoxFetcher {
    async fn fetch(&mut self, current: &Current) -> Result<Fetched, BoxError> {
        self.0.fetch(current).await
    }

    fn interval(&self) -> Duration {
        self.0.interval()
    }

    async fn changed(&mut self) {
        self.0.changed().await;
    }

    fn check(&self) -> Result<(), BoxError> {
        self.0.check()
    }
}

impl fmt::Debug for BoxFetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoxFetcher").finish_non_exhaustive()
    }
}
