#[selfup::main]
async fn prog(state: selfup::State) -> Result<(), Box<dyn std::error::Error>> {
    let _ = state.addresses();
    Ok(())
}
