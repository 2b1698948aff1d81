type Alias = selfup::State;
type Outcome = Result<(), String>;

#[selfup::main]
async fn prog(_: Alias) -> Outcome {
    Ok(())
}
