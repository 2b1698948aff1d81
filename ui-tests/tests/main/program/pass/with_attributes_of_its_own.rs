#![deny(warnings)]

#[selfup::main]
#[inline(never)]
#[allow(clippy::unused_async)]
#[cfg_attr(all(), doc = "Documentation.")]
async fn prog() {}
