// #[selfup::main(adress = ":3000", debug = 3)]
// async fn prog(state: &State) -> Result<(), Error> { work(state).await }

#[allow(dead_code)]
async fn prog(state: &State) -> Result<(), Error> {
    work(state).await
}
fn main() {}
::core::compile_error! {
    "unknown argument `adress`; did you mean `address`?"
}
::core::compile_error! {
    "`debug` is true or false"
}
::core::compile_error! {
    "take the state by value: `state: selfup::State`"
}
