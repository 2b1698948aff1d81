use std::net::SocketAddr;

use super::Address;
use crate::error::Result;

/// One address or several, as the settings `address` and `addresses` take them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be used as a listen address",
    label = "expected an address, or a list of addresses",
    note = "write a string such as \":3000\", \"127.0.0.1:3000\" or \"unix:/run/app.sock\", a \
            `std::net::SocketAddr`, or a list of either"
)]
pub trait IntoAddresses {
    /// The addresses, or the first reason why one is none.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config), with what was found, what was expected and the fix.
    fn into_addresses(self) -> Result<Vec<Address>>;
}

impl IntoAddresses for Address {
    fn into_addresses(self) -> Result<Vec<Address>> {
        Ok(vec![self])
    }
}

impl IntoAddresses for SocketAddr {
    fn into_addresses(self) -> Result<Vec<Address>> {
        Ok(vec![self.into()])
    }
}

impl IntoAddresses for &str {
    fn into_addresses(self) -> Result<Vec<Address>> {
        Address::parse(self).map(|address| vec![address])
    }
}

impl IntoAddresses for String {
    fn into_addresses(self) -> Result<Vec<Address>> {
        self.as_str().into_addresses()
    }
}

impl IntoAddresses for &String {
    fn into_addresses(self) -> Result<Vec<Address>> {
        self.as_str().into_addresses()
    }
}

impl<T: IntoAddresses> IntoAddresses for Vec<T> {
    fn into_addresses(self) -> Result<Vec<Address>> {
        collect(self)
    }
}

impl<T: IntoAddresses, const N: usize> IntoAddresses for [T; N] {
    fn into_addresses(self) -> Result<Vec<Address>> {
        collect(self)
    }
}

impl<T: IntoAddresses + Clone> IntoAddresses for &[T] {
    fn into_addresses(self) -> Result<Vec<Address>> {
        collect(self.iter().cloned())
    }
}

fn collect<T: IntoAddresses>(parts: impl IntoIterator<Item = T>) -> Result<Vec<Address>> {
    let mut addresses = Vec::new();
    for part in parts {
        addresses.extend(part.into_addresses()?);
    }
    Ok(addresses)
}
