// Each element of a list is checked: three mistakes, three errors.
#[selfup::main(address = ["3000", ":99999", ":3000", ":3000"])]
async fn prog(_: selfup::State) {}
