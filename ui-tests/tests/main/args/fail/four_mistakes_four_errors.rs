// All mistakes are reported by one compile, each at its own place.
#[selfup::main(
    adress = ":3000",
    terminate_timeout = 30,
    debug = "yes",
    max_draining = 0
)]
async fn prog(_: selfup::State) {}
