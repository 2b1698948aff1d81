#[selfup::main]
async fn prog(_: selfup::State) {
    let port = ;
}
