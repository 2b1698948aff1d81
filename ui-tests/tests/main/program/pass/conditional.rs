#[cfg(any())]
use no_such_crate::State;

#[selfup::main]
#[cfg(all())]
async fn prog() {}

#[selfup::main]
#[cfg(any())]
async fn prog(_: State) {}
