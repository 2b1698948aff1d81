#[selfup::main]
async fn prog(state: selfup::State) -> Result<(), String> {
    let _ = state;
    Ok(())
}

fn _of_a_test(state: selfup::State) -> impl Future<Output = Result<(), String>> {
    prog(state)
}
