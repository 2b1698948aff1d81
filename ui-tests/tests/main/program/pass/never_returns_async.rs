#![deny(warnings)]

#[selfup::main(flavor = "current_thread")]
async fn prog(mut state: selfup::State) -> ! {
    let _ = &mut state;
    std::process::exit(0)
}
