#[selfup::main(crate = self::up)]
async fn prog(_: selfup::State) {}
