#[selfup::main]
unsafe extern "C" {
    fn prog();
}
