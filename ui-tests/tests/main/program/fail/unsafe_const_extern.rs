#[selfup::main]
const unsafe extern "C" fn prog() {}
