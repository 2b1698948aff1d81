// Three qualifiers, each a mistake of its own.
#[selfup::main]
const unsafe extern "C" fn prog() {}
