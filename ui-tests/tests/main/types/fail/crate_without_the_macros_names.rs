// The compiler repeats itself for each name that the expansion takes from the crate.
#[selfup::main(crate = crate::up)]
async fn prog(_: selfup::State) {}

mod up {}
