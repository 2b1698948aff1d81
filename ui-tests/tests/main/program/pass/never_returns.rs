#![deny(warnings)]

#[selfup::main]
fn prog(mut state: selfup::State) -> ! {
    let _ = &mut state;
    std::process::exit(0)
}
