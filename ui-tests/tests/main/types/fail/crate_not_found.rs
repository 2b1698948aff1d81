// The compiler repeats itself where the expansion is shown at the function, for type errors' sake.
#[selfup::main(crate = ::elsewhere)]
async fn prog(_: selfup::State) {}
