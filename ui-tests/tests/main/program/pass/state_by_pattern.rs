#[selfup::main]
async fn prog(ref state @ _: selfup::State) {
    let _ = state.addresses();
}
