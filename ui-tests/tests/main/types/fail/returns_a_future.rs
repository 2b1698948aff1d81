#[selfup::main]
fn prog(_: selfup::State) -> impl Future<Output = ()> {
    async {}
}
